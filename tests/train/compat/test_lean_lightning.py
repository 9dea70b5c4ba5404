"""Training imports Lightning without what it has no use for, and a process that has done so is fit to be forked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from phasemap.train.machine.devices import environment

CODE = """
import sys
from pathlib import Path
from phasemap.sweeps.execution.trainer import TRAIN_ROOM
from phasemap.train.compat.lean_lightning import NOT_NEEDED
from phasemap.train.parameters import normalise

TRAIN_ROOM.load()
import torch
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else ["Threads: 1"]
print([line.split()[1] for line in lines if line.startswith("Threads:")], torch.cuda.is_initialized())
TRAIN_ROOM.prepare("cpu")
tile = {"width": 6, "depth": [2], "batch_size": 16, "train_size": 64, "test_size": 32, "lr": 0.05, "steps": 2}
TRAIN_ROOM.train(normalise(tile), data_dir=None, device="cpu", progress=lambda state: None)
print([name for name in (*NOT_NEEDED, "scipy.signal") if name in sys.modules and name != "scipy"])
import lightning_utilities.core.imports as there
print(*map(there.RequirementCache, NOT_NEEDED), *map(there.package_available, NOT_NEEDED))
from phasemap.train.compat import torchvision_import
torchvision_import.ensure()
import torchvision.models
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_a_tile_is_trained_by_one_thread_without_what_is_not_needed(backend: str) -> None:
    settings = {**environment("cpu"), "MPLBACKEND": backend}
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=settings, check=False)
    assert ran.returncode == 0, ran.stderr
    fit, needed, back = ran.stdout.splitlines()[-3:]
    assert fit == "['1'] False"
    assert needed == "[]"
    assert back.count("Requirement") == 3  # as they were, for whoever asks next
    assert back.count("True") == 3


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["module://of.nobody", "nonsense", "QtAgg"])
def test_a_command_draws_with_agg_whatever_the_environment_says(backend: str, tmp_path: object) -> None:
    words = ["theory", "figure", "bn-fig10"]
    ran = subprocess.run(
        [sys.executable, "-m", "phasemap", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": backend},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
