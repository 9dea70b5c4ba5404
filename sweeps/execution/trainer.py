"""What a run needs of the code that trains a tile: a protocol, so that a run can be tested without training."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from phasemap.sweeps.store.gc_pause import kept
from phasemap.theory.errors import InputError, noted
from phasemap.theory.user_code import is_user_code
from phasemap.train.data.catalogue import DataSize
from phasemap.train.result_types import Result

Survey = dict[str, tuple[str, DataSize]]
"""By data set as a tile asks for it (`data_name`): its digest and sizes."""


@runtime_checkable
class TileTrainer(Protocol):
    """Trains tiles. An instance is named by ``module:name``, so that worker processes find it."""

    @property
    def semantics(self) -> int:
        """Version of the training: the same parameters mean the same training under the same version."""

    def survey(self, tiles: Sequence[Mapping[str, Any]], data_dir: Path | None) -> Survey:
        """The data sets of the tiles. Raises InputError for what cannot be trained on them."""

    def dtype(self, tile: Mapping[str, Any], device: str) -> str:
        """The dtype in which the tile will be trained."""

    def load(self) -> None:
        """Imports what training needs. Workers are forked from a process that has: no thread, no GPU is touched."""

    def prepare(self, device: str) -> bool:
        """What a process does once before its first tile; whether it has measured the speed of ``device``."""

    def train(
        self,
        tile: dict[str, Any],
        *,
        data_dir: Path | None,
        device: str,
        progress: Callable[[dict[str, Any]], None],
        checkpoint: Path | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Result | None:
        """Trains the tile; the result of docs/architecture.md.

        A long training writes ``checkpoint`` and goes on from it. When it is ``stopping``, it may end early with None:
        the checkpoint has what was trained.
        """


def data_name(tile: Mapping[str, Any]) -> str:
    """Which data a tile asks for."""
    sizes = [str(tile[size]) if tile[size] else "all" for size in ("train_size", "test_size")]
    return "/".join([tile["dataset"], *sizes])


class TrainRoom:
    """The trainer of every real run: the room ``train``, imported when it is needed."""

    @property
    def semantics(self) -> int:
        """``phasemap.train.parameters.SEMANTICS``."""
        from phasemap.train.parameters import SEMANTICS

        return SEMANTICS

    def survey(self, tiles: Sequence[Mapping[str, Any]], data_dir: Path | None) -> Survey:
        """Looks at each data set once, with the largest batch size asked of it, and at every activation of the user's
        own."""
        from phasemap.theory.activations import activation
        from phasemap.train.data.load import survey as survey_of

        largest: dict[str, Mapping[str, Any]] = {}
        for tile in tiles:
            name = data_name(tile)
            if name not in largest or tile["batch_size"] > largest[name]["batch_size"]:
                largest[name] = tile
        survey: Survey = {}
        notes: list[str] = []
        mistakes: list[str] = []
        for own in sorted({tile["activation"] for tile in tiles if is_user_code(str(tile.get("activation")))}):
            try:
                activation(own)
            except InputError as error:
                mistakes += [f"activation: {message}" for message in error.messages]
        for name, tile in largest.items():
            with noted(mistakes):
                data = survey_of(tile, data_dir)
                size = DataSize(data.train_size, data.test_size, data.inputs, data.classes)
                survey[name] = (data.digest, size)
                notes += [data.note] if data.note else []
        for note in dict.fromkeys(notes):
            print(f"phasemap: note: {note}", file=sys.stderr)
        if mistakes:
            raise InputError(*mistakes)
        return survey

    def dtype(self, tile: Mapping[str, Any], device: str) -> str:
        """``phasemap.train.planning.dtype.resolve_dtype``."""
        from phasemap.train.planning.dtype import resolve_dtype

        return resolve_dtype(tile, device)

    @kept()  # none of it is ever garbage, and looking for some takes a fifth of the time
    def load(self) -> None:
        """Imports PyTorch, Lightning and the room ``train``: seconds, which are none of the first tile's."""
        from phasemap.train.compat.lean_lightning import import_lightning

        import_lightning()
        import phasemap.train.tile  # noqa: F401
        from phasemap.train.parameters import normalise

        self.dtype(normalise({"lr": 1e-3, "steps": 1}), "cpu")  # imports the theory of the usual networks

    def prepare(self, device: str) -> bool:
        """Loads, and measures the device's speed if that was never done on this machine."""
        self.load()
        from phasemap.train.machine.speed import calibrated

        if calibrated(device):
            return False
        from phasemap.train.planning.calibration import calibrate

        _on_one_core(device)
        try:
            calibrate(device)
        except RuntimeError:  # of torch: no memory, no such kernel. The guess remains
            return False
        return True

    def train(
        self,
        tile: dict[str, Any],
        *,
        data_dir: Path | None,
        device: str,
        progress: Callable[[dict[str, Any]], None],
        checkpoint: Path | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Result | None:
        """``phasemap.train.tile.train_tile``; on a CPU with one thread: results do not depend on the machine."""
        self.load()
        from phasemap.train.engine.checkpoint import Stopped
        from phasemap.train.tile import train_tile

        _on_one_core(device)
        try:
            return train_tile(
                tile, data_dir=data_dir, device=device, progress=progress, checkpoint=checkpoint, stopping=stopping
            )
        except Stopped:
            return None


def _on_one_core(device: str) -> None:
    """Sets torch up for one thread, where the device is a CPU."""
    if device == "cpu":
        import torch

        from phasemap.train.machine.memory import keep_freed

        torch.set_num_threads(1)
        keep_freed()


TRAIN_ROOM = TrainRoom()
DEFAULT = "phasemap.sweeps.execution.trainer:TRAIN_ROOM"


def trainer_named(name: str) -> TileTrainer:
    """The trainer called ``module:name``."""
    module, _, attribute = name.partition(":")
    return cast(TileTrainer, getattr(importlib.import_module(module), attribute))
