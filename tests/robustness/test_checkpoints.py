"""A checkpoint that is not, byte for byte, what was written is not gone on from; a made-up one ends no training."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import phasemap.train.tile
from phasemap.train.engine.checkpoint import FOOTER, Checkpoint, PlainFile, Stopped
from phasemap.train.tile import train_tile

TILE: dict[str, Any] = {
    "width": 6,
    "depth": [2, 3],
    "batch_size": 16,
    "train_size": 64,
    "test_size": 32,
    "lr": 0.05,
    "steps": 7,
    "momentum": 0.9,
    "monitor": "step",
}
FOREIGN = (
    None,
    -1,
    1e300,
    float("nan"),
    "",
    "x",
    [],
    {},
    [[]],
    {"a": 1},
    "[" * 5000,
    torch.zeros(2),
    torch.zeros(0, 3),
)
"""What may stand where something else belongs."""


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of two steps; one thread, for bitwise equality."""
    monkeypatch.setattr(phasemap.train.tile, "LONGEST_BLOCK", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def damaged(data: bytes, random: random.Random) -> bytes:
    """The bytes, changed in one of the ways in which disks, copies and people change files."""
    at = random.randrange(len(data))
    match random.randrange(8):
        case 0 | 1 | 2:
            return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
        case 3:
            return data[:at]
        case 4:
            return data + random.randbytes(random.choice([1, FOOTER, 5000]))
        case 5:
            end = min(at + 4096, len(data))
            return data[:at] + bytes(end - at) + data[end:]
        case 6:
            return data[:at] + data[at + random.randrange(1, 100) :]
        case _:
            return random.choice([b"", b"PK", data[-FOOTER:], random.randbytes(len(data)), data + data])


def made_up(checkpoint: dict[str, Any], random: random.Random) -> dict[str, Any]:
    """The checkpoint with one of its entries, at whatever depth, gone or foreign. Its signature stays."""
    changed: dict[str, Any] = {**checkpoint}
    inside: Any = changed
    while True:
        keys = [key for key in inside if key != "signature"]
        key = random.choice(keys)
        value = inside[key]
        if isinstance(value, dict) and value and random.random() < 0.7:
            inside[key] = dict(value)
            inside = inside[key]
            continue
        if random.random() < 0.2:
            del inside[key]
        else:
            inside[key] = random.choice(FOREIGN)
        return changed


def stopped(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The checkpoint of a tile that was stopped in its middle: its bytes, and what is in it."""
    blocks = iter(range(100))
    with pytest.raises(Stopped):
        train_tile(TILE, checkpoint=path, stopping=lambda: next(blocks) >= 2)
    return path.read_bytes(), torch.load(path, weights_only=True)


def damage(tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, seed: int) -> None:
    draw, path = random.Random(seed), tmp_path / "tile.ckpt"
    data, checkpoint = stopped(path)
    assert sorted(Checkpoint(path, checkpoint["signature"]).in_flight) == [0, 1]
    assert capsys.readouterr().err == ""
    for trial in range(count):
        path.write_bytes(damaged(data, draw))
        if path.read_bytes() == data:  # zeros over zeros
            continue
        read = Checkpoint(path, checkpoint["signature"])
        assert (read.in_flight, read.finished) == ([], {}), f"seed {seed}, trial {trial}"
        assert "trained from its start" in capsys.readouterr().err, f"seed {seed}, trial {trial}"


def make_up(tmp_path: Path, count: int, seed: int) -> None:
    draw, path = random.Random(seed), tmp_path / "tile.ckpt"
    checkpoint = stopped(path)[1]
    for trial in range(count):
        PlainFile().save_checkpoint(made_up(checkpoint, draw), path)
        content = train_tile(TILE, checkpoint=path)["content"]
        assert len(content["cells"]) == 2, f"seed {seed}, trial {trial}"


def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(tmp_path, capsys, 200, 0)


def test_one_that_was_made_up_ends_no_training(tmp_path: Path) -> None:
    make_up(tmp_path, 3, 0)


def test_after_a_damaged_one_the_content_is_the_same(tmp_path: Path) -> None:
    whole = json.dumps(train_tile(TILE)["content"])
    path = tmp_path / "tile.ckpt"
    data, _ = stopped(path)
    assert json.dumps(train_tile(TILE, checkpoint=path)["content"]) == whole
    path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    assert json.dumps(train_tile(TILE, checkpoint=path)["content"]) == whole


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_damaged_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    damage(tmp_path, capsys, 500, seed)
    make_up(tmp_path, 40, seed)
