"""Training imports no matplotlib, so that it does not matter which backend the environment names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import sys
from phasemap.sweeps.execution.trainer import TRAIN_ROOM
from phasemap.train.parameters import normalise

TRAIN_ROOM.prepare("cpu")
tile = {"width": 6, "depth": [2], "batch_size": 16, "train_size": 64, "test_size": 32, "lr": 0.05, "steps": 2}
TRAIN_ROOM.train(normalise(tile), data_dir=None, device="cpu", progress=lambda state: None)
print([name for name in sys.modules if name.split(".")[0] == "matplotlib"])
import torchmetrics.utilities.imports, lightning_utilities.core.imports as there
print(bool(there.RequirementCache("matplotlib")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_a_tile_is_trained_without_it(backend: str) -> None:
    environment = {**os.environ, "MPLBACKEND": backend}
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-2:] == ["[]", "True"]


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
