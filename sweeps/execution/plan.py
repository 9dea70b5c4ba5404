"""What a run is going to train: every tile with its key, dtype and cost; and every mistake, before the first tile."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.execution.trainer import TileTrainer, data_name
from phasemap.sweeps.experiments.experiment import Experiment
from phasemap.sweeps.figures.catalogue import exhibit
from phasemap.sweeps.phase_map.points import check_map
from phasemap.sweeps.store.key import tile_key
from phasemap.sweeps.store.manifest import Manifest
from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.data.catalogue import DataSize
from phasemap.train.machine.host_memory import host_available
from phasemap.train.planning.cost import ITEM, Cost, cost, duration, largest_network
from phasemap.train.presentation import HEAT_MAP

START_UP = 8.0
"""Seconds of a run beside its tiles: PyTorch and Lightning are loaded, and the report is drawn."""
FAR_TOO_LARGE = 4.0
"""Times the free memory: what is less may be tried, on this or on a larger machine."""
DTYPE_RULE = "auto: float64 where the theory's gradients leave float32 and the device computes it fast, else float32"


@dataclass(frozen=True)
class Plan:
    """An experiment, checked as a whole, with what each tile is called and costs.

    Attributes:
        steps: of each tile, how many its cells take.
        device: where a tile's time is guessed for.
    """

    experiment: Experiment
    manifest: Manifest
    tiles: list[Tile]
    steps: list[int]
    device: str

    @property
    def cells(self) -> int:
        """Cells of the whole experiment."""
        return sum(tile.cells for tile in self.tiles)

    @property
    def seconds(self) -> float:
        """A guess at the time of one worker for the whole experiment."""
        return sum(tile.seconds(self.device) for tile in self.tiles)

    @property
    def cost(self) -> Cost:
        """Of the whole experiment."""
        return sum((tile.price for tile in self.tiles), Cost())

    def steps_in_words(self) -> str:
        """``600 steps each``, or their range."""
        low, high = min(self.steps), max(self.steps)
        return f"{counted(low, 'step')} each" if low == high else f"{low} to {high} steps each"

    def describe(self, at_work: Sequence[str]) -> str:
        """What ``--check`` prints, for workers on the devices ``at_work``."""
        axes = [f"{name} ({len(values)})" for name, values in self.experiment.tile_axes.items()]
        first = self.tiles[0].parameters
        stacked = [f"{name} ({len(value)})" for name, value in first.items() if isinstance(value, list)]
        dtypes = sorted(set(self.manifest.dtypes))
        return "\n".join(
            [
                self.experiment.title,
                f"tiles:  {len(self.tiles)}" + (f", one per value of {', '.join(axes)}" if axes else ""),
                f"cells:  {self.cells}" + (f", stacked over {', '.join(stacked)}" if stacked else ""),
                f"steps:  {self.steps_in_words()}",
                f"data:   {', '.join(self.manifest.data)} (set/training/test)",
                f"dtype:  {', '.join(dtypes)}",
                f"cost:   {self.cost.in_words()}",
                f"here:   {in_words(self.tiles, at_work)}",
            ]
        )


def expected(tiles: Iterable[Tile], at_work: Sequence[str]) -> float:
    """Seconds that a run takes, by the tiles' guessed costs: the longest first, each to the next free worker."""
    ends = [0.0] * len(at_work)
    for seconds in sorted((tile.seconds(at_work[0]) for tile in tiles), reverse=True):
        heapq.heapreplace(ends, ends[0] + seconds)
    return START_UP + max(ends) if max(ends) else 0.0


def in_words(tiles: Iterable[Tile], at_work: Sequence[str]) -> str:
    """``about 2.5 h with 2 workers on cpu``."""
    workers = counted(len(at_work), "worker")
    return f"about {duration(expected(tiles, at_work))} with {workers} on {', '.join(dict.fromkeys(at_work))}"


def plan(experiment: Experiment, *, at_work: Sequence[str], trainer: TileTrainer, data_dir: Path | None = None) -> Plan:
    """Checks everything that can be checked before training.

    Args:
        at_work: the devices that tiles are trained on.

    Raises:
        InputError: one line for every mistake.
    """
    parameters, mistakes = experiment.checked()
    try:
        survey = trainer.survey(parameters, data_dir)
    except InputError as error:
        mistakes += experiment.told(error.messages)
    if mistakes:
        raise InputError(*mistakes)
    _check_picture(experiment, parameters)
    tiles, dtypes, steps = [], [], []
    free = host_available()
    for tile in parameters:
        digest, size = survey[data_name(tile)]
        steps.append(_steps(tile, size))
        dtypes.append(_dtype(tile, at_work, trainer))
        _check_memory(tile, size, dtypes[-1], free)
        key = tile_key(tile, dtype=dtypes[-1], data_digest=digest, semantics=trainer.semantics)
        tiles.append(Tile(key, tile, cost(tile, size, item=ITEM[dtypes[-1]]), steps[-1]))
    manifest = Manifest(
        experiment=experiment.name,
        preset=experiment.preset,
        semantics=trainer.semantics,
        data={name: digest for name, (digest, _) in survey.items()},
        rule=DTYPE_RULE,
        dtypes=dtypes,
        keys=[tile.key for tile in tiles],
    )
    return Plan(experiment, manifest, tiles, steps, at_work[0])


def _check_picture(experiment: Experiment, tiles: Sequence[Mapping[str, Any]]) -> None:
    """Whether the report can draw what the tiles will be: raises InputError as it would after the training."""
    check_map(experiment, tiles)
    if (picture := tiles[0]["picture"]) != HEAT_MAP:
        try:
            exhibit(picture)
        except InputError as error:
            raise InputError(*map(experiment.located, error.messages)) from None


def _check_memory(tile: Mapping[str, Any], size: DataSize, dtype: str, free: float) -> None:
    """Raises InputError for a network that is far too large for the ``free`` bytes here, which need not be tried."""
    needed = largest_network(tile, size, item=ITEM[dtype])
    if needed > FAR_TOO_LARGE * free:
        what = ", ".join(f"{name} {tile[name]}" for name in ("depth", "width", "widths", "batch_size") if name in tile)
        raise InputError(
            f"{what[:200]}: a network takes about {needed / 1e9:.3g} GB to train, and {free / 1e9:.3g} GB are free;"
            f" expected at most {FAR_TOO_LARGE:g} times as much"
        )


def _dtype(tile: Mapping[str, Any], at_work: Sequence[str], trainer: TileTrainer) -> str:
    """The dtype of a tile, whichever device it comes to: it is part of the result's key."""
    chosen = {trainer.dtype(tile, device): device for device in reversed(list(dict.fromkeys(at_work)))}
    if len(chosen) > 1:
        where = " and ".join(f"{dtype} on {device}" for dtype, device in sorted(chosen.items()))
        raise InputError(
            f"--devices: GPUs of different kinds would train a tile in {where}; "
            "choose some of one kind, or --set dtype=float32"
        )
    return next(iter(chosen))


def _steps(tile: Mapping[str, Any], size: DataSize) -> int:
    """Training steps of each cell of the tile."""
    return int(tile["steps"] or tile["epochs"] * (size.train // tile["batch_size"]))
