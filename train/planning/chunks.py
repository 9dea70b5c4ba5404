"""Divides a tile's cells into chunks that are trained as one stack each: by what stacking pays, and by memory.

A layer of a stack costs its kernels' launches once, and arithmetic and memory traffic once a member. Stacking pays as
long as the launches are felt: a chunk has as many members as bring them down to ``LAUNCH_SHARE`` of its step. So narrow
nets stack by the dozen on a CPU, wide ones (width ≥ 256 at batches of 128) hardly at all; a GPU, a thousand times as
fast but not at launching, wants 32 or more of any. How cells are divided changes no result (docs/engine.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from phasemap.train.families.catalogue import family_of
from phasemap.train.families.step_cost import StepCost
from phasemap.train.machine.speed import rates
from phasemap.train.planning.cost import LAUNCH_SHARE

FEWEST = {"cpu": 1, "cuda": 32}
"""Members that a chunk has in any case, if there are as many and memory allows."""


def members_that_pay(costs: Sequence[StepCost], kind: str) -> int:
    """Members after which more in one stack gain less than ``LAUNCH_SHARE``."""
    speed = rates(kind)
    launching = max(cost.launches for cost in costs) * speed.launch
    each = sum(cost.flops / speed.flops + cost.traffic / speed.bandwidth for cost in costs) / len(costs)
    return max(FEWEST[kind], ceil(launching / (LAUNCH_SHARE * each)))


def chunks(
    cells: Sequence[Mapping[str, Any]],
    *,
    inputs: int,
    classes: int,
    budget: float,
    device: str = "cpu",
    item: int = 4,
) -> list[list[int]]:
    """Places in ``cells``, deepest first, in chunks within ``budget`` bytes (a cell above it stands alone).

    Args:
        inputs, classes: of the data.
        budget: memory of one worker (``phasemap.train.machine.memory.budget``).
        device: ``cpu``, or ``cuda`` and its number.
        item: bytes of a number.
    """
    family = family_of(cells[0])
    costs = [family.step_cost(cell, inputs=inputs, classes=classes, item=item) for cell in cells]
    groups: dict[Any, list[int]] = {}
    for place in sorted(range(len(cells)), key=lambda place: -cells[place].get("depth", 0)):
        groups.setdefault(family.stacking_key(cells[place]), []).append(place)
    result: list[list[int]] = []
    for places in groups.values():
        paying = members_that_pay([costs[place] for place in places], device.partition(":")[0])
        most = ceil(len(places) / ceil(len(places) / paying))  # chunks of about one size, not a full one and a rest
        room = budget
        current: list[int] = []
        for place in places:
            if current and (len(current) == most or costs[place].memory > room):
                result.append(current)
                room, current = budget, []
            current.append(place)
            room -= costs[place].memory
        result.append(current)
    return result


def halves(chunk: Sequence[int]) -> tuple[list[int], list[int]]:
    """The two chunks that take the place of one that ran out of memory; the order stays."""
    middle = (len(chunk) + 1) // 2
    return list(chunk[:middle]), list(chunk[middle:])
