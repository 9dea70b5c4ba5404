"""The plan: what would go wrong after hours of training is told before."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from phasemap.sweeps.execution.plan import Plan, plan
from phasemap.sweeps.execution.trainer import TRAIN_ROOM
from phasemap.sweeps.experiments.experiment import load
from phasemap.theory.errors import InputError

YAML = """method: grid
parameters:
  batch_size: {values: [8, 16]}
  depth: {value: [2, 4]}
  width: {value: 16}
  lr: {value: 0.02}
  steps: {value: 10}
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text(YAML)
    return file


def planned(file: Path, *settings: str) -> Plan:
    return plan(load(str(file), settings=settings), at_work=["cpu"], trainer=TRAIN_ROOM)


def refused(file: Path, *settings: str) -> str:
    with pytest.raises(InputError) as caught:
        planned(file, *settings)
    (line,) = caught.value.messages
    return line


def test_a_sound_plan(mine: Path) -> None:
    assert planned(mine).cells == 4


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("seed=[0, 1]", ""),
        ("gamma=[0.5, 1]", "leave several cells on one point of the map; these vary too: gamma"),
        ("activation=[relu, tanh]", "these vary too: activation"),
        ("picture=no-such", "picture: 'no-such': expected one of map"),
        ("width=1000000", "a network takes about"),
        ("width=1000001", "width: 1000001: expected at most 1000000"),
        ("seed=9223372036854775808", "seed: 9223372036854775808: expected"),
        ("batch_size=100000", "batch_size: 100000 is larger than the training set"),
        ("lr=[0.1, null]", "holds null"),
    ],
)
def test_what_a_map_or_a_machine_cannot_hold(mine: Path, setting: str, words: str) -> None:
    if not words:
        assert planned(mine, setting).cells == 8
    else:
        assert words in refused(mine, setting)


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (("batch_size", "train_size", "gamma"), "8000000 tiles, one per value of batch_size (200), train_size (200)"),
        (("batch_size", "train_size"), "40000 tiles"),
        (("batch_size",), "200 tiles of 5000 cells: expected at most 200000 cells in all"),
    ],
)
def test_a_grid_is_counted_before_it_is_made(mine: Path, axes: tuple[str, ...], words: str) -> None:
    values = list(range(3, 203))
    parts = [f"  {name}: {{values: {values}}}\n" for name in axes]
    parts += [f"  depth: {{value: {list(range(1, 51))}}}\n  seed: {{value: {list(range(100))}}}\n"]
    mine.write_text("method: grid\nparameters:\n" + "".join(parts) + "  lr: {value: 0.02}\n  steps: {value: 10}\n")
    started = time.process_time()
    assert words in refused(mine)
    assert time.process_time() - started < 2


def test_a_tile_of_too_many_cells(mine: Path) -> None:
    words = refused(mine, f"seed={list(range(1000))}", f"eps={[0.001 * i for i in range(1, 301)]}")
    assert "depth, eps, seed: 600000 cells in one tile: expected at most 200000" in words


def test_labels_are_mapped_and_it_is_said_once(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3 * 100 + 1
    np.savez("own.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    planned(mine, "dataset=own.npz", "train_size=[20, 30, null]", "x_axis=train_size", "batch_size=8")
    note = "phasemap: note: dataset: own.npz: the labels 1, 101, 201 are 3 classes, numbered from 0 in this order\n"
    assert capsys.readouterr().err == note


def test_data_that_cannot_be_standardised(mine: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 4)) * 1e200, np.arange(60) % 3
    np.savez("own.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    assert "the standard deviation of the training inputs is inf" in refused(mine, "dataset=own.npz")
