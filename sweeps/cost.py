"""What a tile costs, in floating point operations: enough to order tiles, to foretell the end, to say it beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any


@dataclass(frozen=True)
class DataSize:
    """Samples, inputs and classes of a data set."""

    train: int
    test: int
    inputs: int
    classes: int


KNOWN = {
    "digits": DataSize(1397, 400, 64, 10),
    "mnist": DataSize(60_000, 10_000, 784, 10),
    "cifar10": DataSize(50_000, 10_000, 3072, 10),
    "cifar100": DataSize(50_000, 10_000, 3072, 100),
}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def cell_count(tile: Mapping[str, Any]) -> int:
    """Cells in a tile: the product of its stacked axes."""
    return prod(len(value) for value in tile.values() if isinstance(value, list))


def flops(tile: Mapping[str, Any], size: DataSize | None = None) -> float:
    """Multiplications and additions that training and evaluating the tile takes.

    Counts the matrix products only: 2 per weight and sample forward, 4 backward. ``size`` is that of the data set in
    use; None takes the whole data set's, and MNIST's for a user's own.
    """
    whole = size or KNOWN.get(tile.get("dataset", "digits"), KNOWN["mnist"])
    train, test = tile.get("train_size") or whole.train, tile.get("test_size") or whole.test
    batch, width = int(tile.get("batch_size", 64)), int(tile.get("width", 128))
    steps = int(tile["steps"]) if tile.get("steps") else int(tile.get("epochs") or 1) * max(train // batch, 1)
    depths = _list(tile.get("depth", 10))
    weights = sum(whole.inputs * width + (int(depth) - 1) * width**2 + width * whole.classes for depth in depths)
    copies = cell_count(tile) / (len(depths) if isinstance(tile.get("depth"), list) else 1)
    # Both accuracies of both sets: two forward passes of each.
    return float(weights * copies * (6 * steps * batch + 2 * 2 * (train + test)))


def in_words(operations: float) -> str:
    """``1.5e+16 FLOP`` and, for scale, the time at the rates that such networks reach on a CPU core and a big GPU."""
    cpu, gpu = operations / 1e10, operations / 1e13
    return f"{operations:.2g} FLOP (about {duration(cpu)} on one CPU core, {duration(gpu)} on a data-centre GPU)"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min``, ``2.5 h``, ``4 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
