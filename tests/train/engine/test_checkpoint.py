"""A tile that was stopped goes on to the same content, whatever was in flight; and its checkpoint is plain data."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import phasemap.train.engine.checkpoint
import phasemap.train.engine.data_order
import phasemap.train.tile
from phasemap.train.compat.lightning import pl
from phasemap.train.engine.checkpoint import Checkpoint, PlainFile, Stopped
from phasemap.train.tile import train_tile

SMALL: dict[str, Any] = {"width": 12, "batch_size": 16, "train_size": 200, "test_size": 100, "lr": 0.05, "steps": 40}
AXES: dict[str, Any] = {"depth": [2, 5], "seed": [0, 3]}


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few steps, so that there are many places to stop at; and one thread, for bitwise equality."""
    monkeypatch.setattr(phasemap.train.tile, "LONGEST_BLOCK", 3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield  # type: ignore[misc]
    torch.set_num_threads(threads)


def stop_after(blocks: int) -> Any:
    """Says to stop when it is asked for the ``blocks``-th time."""
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= blocks


def interrupted(parameters: dict[str, Any], path: Path, *stops: int) -> dict[str, Any]:
    """The content after stopping each of the given numbers of blocks after the last start."""
    for blocks in stops:
        with pytest.raises(Stopped):
            train_tile(parameters, checkpoint=path, stopping=stop_after(blocks))
        assert path.is_file()
        assert list(path.parent.iterdir()) == [path]
    return dict(train_tile(parameters, checkpoint=path)["content"])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.9},
        {"optimizer": "rmsprop", "lr": 1e-3, "monitor": "step"},
        {"architecture": "bn-resnet", "monitor": "step"},
        {"architecture": "resnet", "widths": "12", "width": None, "monitor": "epoch"},
    ],
    ids=["sgd", "momentum", "rmsprop, monitored", "skip connections, monitored", "resnet, monitored"],
)
def test_a_stopped_tile_ends_in_the_same_content_bit_by_bit(tmp_path: Path, settings: dict[str, Any]) -> None:
    parameters = {**SMALL, **AXES, **settings}
    if parameters["width"] is None:
        del parameters["width"]
    whole = train_tile(parameters)["content"]
    again = interrupted(parameters, tmp_path / "tile.ckpt", 1, 3, 2)
    assert json.dumps(again) == json.dumps(whole)


def test_finished_chunks_are_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {**SMALL, **AXES}
    whole = train_tile(parameters)["content"]
    monkeypatch.setattr(phasemap.train.tile, "chunks", lambda points, **plan: [[2, 3], [1], [0]])
    with pytest.raises(Stopped):  # in the second chunk: the first has ceil((40 - 1 - 2)/3) + 2 = 15 blocks
        train_tile(parameters, checkpoint=tmp_path / "tile.ckpt", stopping=stop_after(18))
    trained: list[list[int]] = []
    real = phasemap.train.tile._train_chunk

    def spy(*arguments: Any) -> Any:
        trained.append(list(arguments[-1]))
        return real(*arguments)

    monkeypatch.setattr(phasemap.train.tile, "_train_chunk", spy)
    assert train_tile(parameters, checkpoint=tmp_path / "tile.ckpt")["content"] == whole
    assert trained == [[1], [0]]


def test_stopped_after_the_last_block_only_the_evaluation_is_left(tmp_path: Path) -> None:
    parameters = {**SMALL, "steps": 3}
    whole = train_tile(parameters)["content"]
    assert interrupted(parameters, tmp_path / "tile.ckpt", 2) == whole


def test_progress_and_time_count_what_was_trained_before(tmp_path: Path) -> None:
    path, progress = tmp_path / "tile.ckpt", []
    with pytest.raises(Stopped):
        train_tile(SMALL, checkpoint=path, stopping=stop_after(4))
    seconds = torch.load(path, weights_only=True)["seconds"]
    result = train_tile(SMALL, checkpoint=path, progress=progress.append)
    assert progress[0]["steps_done"] > 9  # four blocks of 1, 2, 3, 3 steps, and one more
    assert progress[-1]["steps_done"] == 40
    assert result["provenance"]["wall_time"] > seconds


@pytest.mark.parametrize("damage", ["truncated", "other training", "no checkpoint"])
def test_a_useless_checkpoint_is_said_and_not_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = tmp_path / "tile.ckpt"
    with pytest.raises(Stopped):
        train_tile(
            {**SMALL, "lr": 0.1} if damage == "other training" else SMALL, checkpoint=path, stopping=stop_after(2)
        )
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "no checkpoint":
        torch.save({"something": 1}, path)
    assert train_tile(SMALL, checkpoint=path)["content"] == train_tile(SMALL)["content"]
    assert "trained from its start" in capsys.readouterr().err


def test_a_pickled_object_is_not_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tile.ckpt"
    PlainFile().save_checkpoint({"signature": "signature", "evil": Checkpoint}, path)
    assert Checkpoint(path, "signature").finished == {}
    assert "cannot be read: UnpicklingError" in capsys.readouterr().err


def test_it_is_written_when_it_is_due_and_further_apart_if_that_takes_long(tmp_path: Path) -> None:
    class Slow(pl.Trainer):
        def __init__(self) -> None:
            """Nothing of a trainer is needed."""

        def save_checkpoint(self, filepath: Any, weights_only: Any = None, storage_options: Any = None) -> None:
            time.sleep(0.02)
            Path(filepath).write_text("x")

    checkpoint = Checkpoint(tmp_path / "locks" / "tile.ckpt", "", every=0.0)
    checkpoint.save(Slow())
    assert (tmp_path / "locks" / "tile.ckpt").read_text() == "x"
    assert checkpoint.due > time.monotonic() + 0.2  # a twentieth of the time at most goes into writing
    assert [path.name for path in (tmp_path / "locks").iterdir()] == ["tile.ckpt"]


def test_what_was_trained_after_the_last_checkpoint_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after kill -9: nothing is written at the end, and the checkpoint is some blocks old. The second training saves
    after every block, which changes nothing either."""
    parameters = {**SMALL, **AXES, "momentum": 0.9, "monitor": "step"}
    whole, path, real, written = train_tile(parameters)["content"], tmp_path / "tile.ckpt", Checkpoint.save, [0]

    def save(self: Checkpoint, trainer: pl.Trainer) -> None:
        written[0] += 1
        if written[0] <= 2 or died:
            real(self, trainer)

    def die(state: dict[str, Any]) -> None:
        if state["steps_done"] > 80:  # 20 steps of 4 networks
            raise ConnectionError("killed")

    died = False
    monkeypatch.setattr(phasemap.train.tile, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(phasemap.train.engine.checkpoint, "SHARE", 1e9)
    monkeypatch.setattr(Checkpoint, "save", save)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))  # nothing is written elsewhere
    with pytest.raises(ConnectionError, match="killed"):
        train_tile(parameters, checkpoint=path, progress=die)
    assert len(torch.load(path, weights_only=True)["losses"]) < 10
    died, before = True, written[0]
    assert json.dumps(train_tile(parameters, checkpoint=path)["content"]) == json.dumps(whole)
    assert written[0] > before + 3


def test_a_full_disk_is_said_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(phasemap.train.tile, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr("pytorch_lightning.Trainer.save_checkpoint", full)
    result = train_tile(SMALL, checkpoint=tmp_path / "tile.ckpt")
    assert result["content"]["cells"][0]["outcome"] == "finished"
    assert "could not be written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
