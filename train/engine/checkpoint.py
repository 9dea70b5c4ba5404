"""Checkpoints within a tile: a long training goes on where it was stopped, and ends in the same result.

Lightning writes them (weights, optimizer, callbacks); they hold tensors, numbers and texts only, and are read with
``weights_only=True``. Training resumes at the step after the last block: the order of the data follows from the seed
and the step, so that nothing else has to be remembered.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from phasemap.train.compat.lightning import TorchCheckpointIO, pl
from phasemap.train.result_types import CellResult

SHARE = 0.05
"""Most of the time that may go into writing them: if one takes long, they are further apart."""


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
        if self._loaded:
            self.seconds_before = float(self._loaded["seconds"])
            self.finished = {int(place): result for place, result in json.loads(self._loaded["finished"]).items()}

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
            loaded = torch.load(self.path, map_location="cpu", weights_only=True)
            if loaded["signature"] == self.signature:
                return dict(loaded)
            reason = "it is of another training"
        except Exception as error:  # truncated, or written by something else: whatever it is, it is of no use
            reason = f"it cannot be read: {type(error).__name__}"
        print(f"phasemap: warning: {self.path.name}: {reason}; the tile is trained from its start", file=sys.stderr)
        return None

    def saver(self, places: Sequence[int]) -> Saver:
        """The callback that writes this checkpoint while the chunk with the cells at ``places`` is trained."""
        return Saver(self, places)

    @property
    def _temporary(self) -> Path:
        return self.path.with_name(f"{self.path.name}.tmp")

    def save(self, trainer: pl.Trainer) -> None:
        """Writes the file whole or not at all; a full disk is said, and training goes on without."""
        started = time.monotonic()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(self._temporary, weights_only=False)
            self._temporary.replace(self.path)
        except (OSError, RuntimeError) as error:
            self._temporary.unlink(missing_ok=True)
            reason = error.__context__ if isinstance(error.__context__, OSError) else error  # torch's own is obscure
            print(f"phasemap: warning: {self.path.name} could not be written: {reason}", file=sys.stderr)
        now = time.monotonic()
        self.due = now + max(self.every, (now - started) / SHARE)


class PlainFile(TorchCheckpointIO):
    """Writes to the file itself and waits for the disk. Lightning's own way holds the checkpoint in memory once more
    and writes it to the system's temporary folder first, which may be small, and where it stays if it is killed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """What Lightning calls."""
        with Path(path).open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())


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
