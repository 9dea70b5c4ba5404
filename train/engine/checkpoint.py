"""Checkpoints within a tile: a long training goes on where it was stopped, and ends in the same result.

Lightning writes them (weights, optimizer, callbacks); they hold tensors, numbers and texts only, and are read with
``weights_only=True``. Training resumes at the step after the last block: the order of the data follows from the seed
and the step, so that nothing else has to be remembered.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from phasemap.train.compat.lightning import TorchCheckpointIO, pl
from phasemap.train.result_types import CellResult
from phasemap.train.whole_file import whole

SHARE = 0.05
"""Most of the time that may go into writing them: if one takes long, they are further apart."""
CHECKSUM = b"phasemap checkpoint sha256 "
"""What stands behind torch's own file, with the checksum of all before it in hexadecimal digits."""
FOOTER = len(CHECKSUM) + 64


class Stopped(Exception):
    """Training was asked to stop, and did so after a block. The checkpoint has what was trained."""


class Checkpoint:
    """The checkpoint of one tile.

    Args:
        path: of the file. ``path`` with ``.tmp`` is used while writing.
        signature: what decides the tile's content, as text: the checkpoint of another training is not taken up.
        stopping: whether to stop after the present block.
        every: seconds between two checkpoints.

    Attributes:
        finished: results of the cells trained so far, by place in the tile.
        seconds_before: that went into what was loaded.
    """

    def __init__(
        self, path: Path, signature: str, *, stopping: Callable[[], bool] = lambda: False, every: float = 120.0
    ) -> None:
        self.path, self.signature, self.stopping, self.every = path, signature, stopping, every
        self.finished: dict[int, CellResult] = {}
        self.started = time.monotonic()
        self.due = self.started + every
        self.seconds_before = 0.0
        self._loaded = self._read()

    @property
    def in_flight(self) -> list[int]:
        """Places of the chunk that was interrupted, as long as nobody took it up."""
        return list(self._loaded["places"]) if self._loaded else []

    def take(self, places: Sequence[int]) -> dict[str, Any] | None:
        """Lightning's checkpoint of the chunk with the cells at ``places``, if it is the one that was interrupted."""
        loaded, self._loaded = self._loaded, None
        return loaded if loaded and loaded["places"] == list(places) else None

    def _read(self) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        try:
            with self.path.open("rb") as file:
                if _is_whole(file):
                    loaded = torch.load(file, map_location="cpu", weights_only=True)
                    if loaded["signature"] == self.signature:
                        return self._taken_in(loaded)
                    reason = "it is of another training"
                else:
                    reason = "it does not match its checksum"
        except Exception as error:  # written by something else: whatever it is, it is of no use
            reason = f"it cannot be read: {type(error).__name__}"
        print(f"phasemap: warning: {self.path.name}: {reason}; the tile is trained from its start", file=sys.stderr)
        return None

    def _taken_in(self, loaded: Mapping[str, Any]) -> dict[str, Any]:
        finished = {
            int(place): cast(CellResult, dict(result)) for place, result in json.loads(loaded["finished"]).items()
        }
        self.seconds_before, self.finished = float(loaded["seconds"]), finished
        return {**loaded, "places": [int(place) for place in loaded["places"]]}

    def saver(self, places: Sequence[int]) -> Saver:
        """The callback that writes this checkpoint while the chunk with the cells at ``places`` is trained."""
        return Saver(self, places)

    def save(self, trainer: pl.Trainer) -> None:
        """Writes the file whole or not at all; a full disk is said, and training goes on without."""
        started = time.monotonic()
        try:
            with whole(self.path) as temporary:
                trainer.save_checkpoint(temporary, weights_only=False)
        except (OSError, RuntimeError) as error:
            reason = error.__context__ if isinstance(error.__context__, OSError) else error  # torch's own is obscure
            print(f"phasemap: warning: {self.path.name} could not be written: {reason}", file=sys.stderr)
        now = time.monotonic()
        self.due = now + max(self.every, (now - started) / SHARE)


class PlainFile(TorchCheckpointIO):
    """Writes to the file itself, and a checksum behind it. Lightning's own way holds the checkpoint in memory once more
    and writes it to the system's temporary folder first, which may be small, and where it stays if it is killed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """What Lightning calls."""
        with Path(path).open("w+b") as file:
            torch.save(checkpoint, file)
            size = file.seek(0, os.SEEK_END)
            file.write(CHECKSUM + _digest(file, size))


def _digest(file: BinaryIO, size: int) -> bytes:
    """Of the first ``size`` bytes; leaves the file at their end."""
    digest = hashlib.sha256()
    file.seek(0)
    while size and (block := file.read(min(size, 1 << 20))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()


def _is_whole(file: BinaryIO) -> bool:
    """Whether the file ends in the checksum of what stands before it; goes back to its start."""
    size = file.seek(0, os.SEEK_END) - FOOTER
    file.seek(max(size, 0))
    footer = file.read()
    right = size >= 0 and footer.startswith(CHECKSUM) and footer == CHECKSUM + _digest(file, size)
    file.seek(0)
    return right


class Saver(pl.Callback):
    """Writes the checkpoint after a block when it is time to, and stops the training when it is asked to."""

    def __init__(self, checkpoint: Checkpoint, places: Sequence[int]) -> None:
        self.checkpoint, self.places = checkpoint, list(places)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds which training it is, and what is finished."""
        checkpoint["signature"] = self.checkpoint.signature
        checkpoint["places"] = self.places
        checkpoint["finished"] = json.dumps(self.checkpoint.finished)
        checkpoint["seconds"] = self.checkpoint.seconds_before + time.monotonic() - self.checkpoint.started

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a block."""
        stopping = self.checkpoint.stopping()
        if stopping or time.monotonic() >= self.checkpoint.due:
            self.checkpoint.save(trainer)
        if stopping:
            raise Stopped


def callback_state(checkpoint: Mapping[str, Any], callback: pl.Callback) -> dict[str, Any]:
    """What ``callback`` had when Lightning wrote ``checkpoint``."""
    return dict(checkpoint["callbacks"][callback.state_key])
