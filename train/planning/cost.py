"""What a tile costs: the one estimate that ``--check``, the scheduler and the division into chunks rest on.

A network's step is arithmetic, memory traffic and kernel launches (``Family.step_cost``); a device does so much of each
a second (``train.machine.speed``). Launches are a stack's, not a network's: a stack has as many members as bring them
down to ``LAUNCH_SHARE`` of its time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from phasemap.train.data.catalogue import DataSize, usual_size
from phasemap.train.families.catalogue import family_of
from phasemap.train.machine.speed import Rates, rates
from phasemap.train.parameters import TABLE

LAUNCH_SHARE = 0.05
"""Share of a step's time at which the launches are no longer worth more members in a stack."""
FORWARD = 1 / 3
"""Share of a step that is its forward pass: what one evaluation of as many samples costs."""
SET_UP = 0.15
"""Seconds of a tile beside its steps: its data, Lightning's Trainer, the result file."""
SINGLE = 4
"""Bytes of a number in float32."""


@dataclass(frozen=True)
class Cost:
    """What one tile, or a sum of tiles, takes on any device.

    Attributes:
        flops: multiplications and additions of the matrix products, training and evaluation; in float64 each counts
            twice.
        traffic: bytes read and written beside them.
        launches: of kernels, by whole stacks.
        tiles: how many they are.
    """

    flops: float = 0.0
    traffic: float = 0.0
    launches: float = 0.0
    tiles: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.flops + other.flops,
            self.traffic + other.traffic,
            self.launches + other.launches,
            self.tiles + other.tiles,
        )

    def seconds(self, device: str = "cpu", speed: Rates | None = None) -> float:
        """The time on one CPU core or one GPU.

        Args:
            device: ``cpu``, or ``cuda`` with or without its number.
            speed: of the device; what was measured here, or a guess, if not given.
        """
        own = rates(device) if speed is None else speed
        work = self.flops / own.flops + self.traffic / own.bandwidth
        return self.tiles * SET_UP + work + max(self.launches * own.launch, LAUNCH_SHARE * work)

    def in_words(self) -> str:
        """``1.5e+16 FLOP (about 12 days on one CPU core, 1.7 h on a data-centre GPU)``."""
        cpu, gpu = duration(self.seconds("cpu")), duration(self.seconds("cuda"))
        return f"{self.flops:.2g} FLOP (about {cpu} on one CPU core, {gpu} on a data-centre GPU)"


def cell_count(tile: Mapping[str, Any]) -> int:
    """Cells in a tile: the product of its stacked axes."""
    return prod(len(value) for value in tile.values() if isinstance(value, list))


def cost(tile: Mapping[str, Any], size: DataSize | None = None, *, item: int = SINGLE) -> Cost:
    """The cost of a tile, normalised or as written.

    Each set is evaluated with every kind of statistics that the family has, the training set on as many samples as the
    test set has.

    Args:
        size: of the data in use; None takes the whole data set's, and MNIST's for a user's own.
        item: bytes of a number.
    """
    family = family_of(tile)
    whole = size or usual_size(tile.get("dataset", TABLE["dataset"].default))
    train, test = tile.get("train_size") or whole.train, tile.get("test_size") or whole.test
    cells = list(_priced(tile))
    copies = cell_count(tile) / len(cells)
    batch = cells[0]["batch_size"]
    steps = int(tile["steps"]) if tile.get("steps") else int(tile.get("epochs") or 1) * max(train // batch, 1)
    evaluations = 2 * (2 if family.uses_batch_statistics else 1)
    evaluations += steps * batch / train if family.scored_by_epoch else 0
    passes = steps + FORWARD * evaluations * test / batch
    priced = [family.step_cost(cell, inputs=whole.inputs, classes=whole.classes, item=item) for cell in cells]
    return Cost(
        flops=float(copies * passes * sum(one.flops for one in priced) * item / SINGLE),
        traffic=float(copies * passes * sum(one.traffic for one in priced)),
        launches=float(steps * max(one.launches for one in priced)),
        tiles=1,
    )


def _priced(tile: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A cell for each point of the stacked axes that the cost depends on, defaults filled in."""
    family = family_of(tile)
    complete = {name: row.default for name, row in TABLE.items()} | dict(tile)
    for name, value in complete.items():
        if isinstance(value, str) and value.startswith("@"):
            complete[name] = complete[value[1:]]
    axes = {name: complete[name] for name in family.cost_axes if isinstance(complete[name], list)}
    fixed = {name: value[0] if isinstance(value, list) else value for name, value in complete.items()}
    for point in itertools.product(*axes.values()):
        yield {**fixed, **dict(zip(axes, point, strict=True))}


def layer_elements(tile: Mapping[str, Any]) -> int:
    """Numbers in the widest hidden layer of the whole tile: what a device computes at a time."""
    cell = next(_priced(tile))
    return cell_count(tile) * cell["batch_size"] * max(family_of(tile).hidden_widths(cell))


def duration(seconds: float) -> str:
    """``42 s``, ``3 min``, ``2.5 h``, ``4 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
