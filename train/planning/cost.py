"""What a tile costs: the one estimate that ``--check``, the scheduler and the division into chunks rest on.

A network's step is arithmetic, memory traffic and kernel launches (``Family.step_cost``); a device does so much of each
a second (``train.machine.speed``). Launches are a stack's, not a network's: a stack has as many members as bring them
down to ``LAUNCH_SHARE`` of its time.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

from phasemap.train.data.catalogue import DataSize, usual_size
from phasemap.train.families.catalogue import FAMILIES, family_of
from phasemap.train.families.family import Family
from phasemap.train.families.step_cost import StepCost
from phasemap.train.machine.speed import Rates, rates
from phasemap.train.parameters import TABLE

LAUNCH_SHARE = 0.05
"""Share of a step's time at which the launches are no longer worth more members in a stack."""
FORWARD = 1 / 3
"""Share of a step that is its forward pass: what one evaluation of as many samples costs."""
SET_UP = 0.15
"""Seconds of a tile beside its steps: its data, Lightning's Trainer, the result file."""
ITEM = {"float32": 4, "float64": 8}
"""Bytes of a number, by dtype."""
SINGLE = ITEM["float32"]


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

    def times(self, count: int) -> Cost:
        """The cost of ``count`` such tiles."""
        return Cost(self.flops * count, self.traffic * count, self.launches * count, self.tiles * count)

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
    priced = _priced(tile)
    cells = _step_costs(family.name, priced, whole.inputs, whole.classes, item)
    copies = cell_count(tile) / len(cells)
    batch = dict(priced)["batch_size"]
    steps = int(tile["steps"]) if tile.get("steps") else int(tile.get("epochs") or 1) * max(train // batch, 1)
    evaluations = 2 * (2 if family.uses_batch_statistics else 1)
    evaluations += steps * batch / train if family.scored_by_epoch else 0
    passes = steps + FORWARD * evaluations * test / batch
    return Cost(
        flops=float(copies * passes * sum(one.flops for one in cells) * item / SINGLE),
        traffic=float(copies * passes * sum(one.traffic for one in cells)),
        launches=float(steps * max(one.launches for one in cells)),
        tiles=1,
    )


def largest_network(tile: Mapping[str, Any], size: DataSize, *, item: int = SINGLE) -> float:
    """Bytes that a step of the tile's largest network holds."""
    costs = _step_costs(family_of(tile).name, _priced(tile), size.inputs, size.classes, item)
    return max(one.memory for one in costs)


def grid_cost(fixed: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> Cost:
    """The cost of a grid of tiles, as written: one for each point of ``axes``, with the ``fixed`` parameters.

    Points that differ in what costs nothing are priced once.
    """
    first = {**fixed, **{name: values[0] for name, values in axes.items()}}
    priced = {name for name, _ in _counting(family_of(first))} | {"architecture"}
    counting = {name: values for name, values in axes.items() if name in priced}
    points = (dict(zip(counting, point, strict=True)) for point in itertools.product(*counting.values()))
    others = prod(len(values) for name, values in axes.items() if name not in counting)
    return sum((cost({**first, **point}) for point in points), Cost()).times(others)


Priced = tuple[tuple[str, Any], ...]
"""What the cost of a tile's networks depends on: names and values, a stacked axis as a tuple."""


def _priced(tile: Mapping[str, Any]) -> Priced:
    """The parameters that count, defaults filled in."""
    found = []
    for name, default in _counting(family_of(tile)):
        value = tile.get(name, default)
        if isinstance(value, str) and value[:1] == "@":
            value = tile.get(value[1:], TABLE[value[1:]].default)
        found.append((name, tuple(value) if isinstance(value, list) else value))
    return tuple(found)


@lru_cache(maxsize=64)
def _counting(family: Family) -> list[tuple[str, Any]]:
    """Names and defaults of what the cost of a family's networks depends on."""
    return [(name, row.default) for name, row in TABLE.rows.items() if not row.stackable or name in family.cost_axes]


@lru_cache(maxsize=1024)  # an experiment's tiles mostly differ in what costs nothing
def _step_costs(family: str, priced: Priced, inputs: int, classes: int, item: int) -> list[StepCost]:
    """The cost of a step at each point of the axes that count."""
    values = TABLE.defaults | dict(priced)
    axes = {name: value for name, value in priced if isinstance(value, tuple)}
    points = [{**values, **dict(zip(axes, point, strict=True))} for point in itertools.product(*axes.values())]
    return [FAMILIES[family].step_cost(point, inputs=inputs, classes=classes, item=item) for point in points]


def layer_elements(tile: Mapping[str, Any]) -> int:
    """Numbers in the widest hidden layer of the whole tile: what a device computes at a time."""
    family, priced = family_of(tile), dict(_priced(tile))
    deepest = {name: max(value) if isinstance(value, tuple) else value for name, value in priced.items()}
    return int(cell_count(tile) * deepest["batch_size"] * max(family.hidden_widths(TABLE.defaults | deepest)))


def duration(seconds: float) -> str:
    """``42 s``, ``3 min``, ``2.5 h``, ``4 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
