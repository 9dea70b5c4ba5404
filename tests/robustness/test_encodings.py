"""Standard output may have any encoding: no command ends for a letter that it does not have."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

from tests.robustness.attack import attack, complaints
from tests.sweeps.runs import run_fake, write_experiment

ENCODINGS = ("ascii", "latin-1", "cp1252", "cp437", "shift_jis")
COMMANDS = (
    ("list",),
    ("list", "--json"),
    ("theory", "batchnorm", "--activation", "relu", "--batch-size", "8"),
    ("theory", "batchnorm", "--activation", "relu", "--batch-size", "8,16", "--json"),
    ("theory", "resnet", "--activation", "tanh", "--depth", "10"),
    ("theory", "resnet", "--activation", "tanh", "--depth", "10", "--json"),
    ("advise", "--activation", "tanh", "--depth", "10", "--batch-size", "64"),
    ("advise", "--activation", "tanh", "--depth", "10", "--batch-size", "64", "--json"),
    ("probe", "netz_λ.py:make", "--input", "8", "--batch-size", "8"),
    ("probe", "netz_λ.py:make", "--input", "8", "--batch-size", "8", "--json"),
    ("probe", "netz_λ.py:nichts_ξ", "--input", "8"),
    ("run", "made.yaml", "--check"),
    ("run", "größe.yaml", "--check"),
    ("status", "results"),
    ("compare", "results", "results"),
    ("report", "results"),
    ("export", "results"),
    ("--help",),
)
NET = """\
from torch import nn
def make():
    net = nn.Sequential(*[m for _ in range(5) for m in (nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU())])
    net.add_module("ausgabe ξ 😀", nn.Linear(8, 8))
    return net
"""


def try_all(folder: Path, pairs: list[tuple[str, tuple[str, ...]]]) -> None:
    (folder / "netz_λ.py").write_text(NET, encoding="utf-8")
    assert run_fake(write_experiment(folder / "made.yaml", 2), folder / "results", workers=1) == 0
    found = []
    for encoding, words in pairs:
        outcome = attack(*words, folder=folder, environment={"PYTHONIOENCODING": encoding})
        found += complaints(outcome)
        if "--json" in words:
            json.loads(outcome.out)
    assert not found, "\n".join(found)


def test_commands_in_any_encoding(tmp_path: Path) -> None:
    try_all(tmp_path, [(ENCODINGS[i % len(ENCODINGS)], words) for i, words in enumerate(COMMANDS[::2])])


@pytest.mark.slow
def test_every_command_in_every_encoding(tmp_path: Path) -> None:
    try_all(tmp_path, list(product(ENCODINGS, COMMANDS)))
