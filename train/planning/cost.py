"""What a tile costs: enough to order tiles, to foretell the end of a run, and to say it beforehand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from phasemap.models.vgg_shapes import convolutions, multiplications


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
CPU_RATE, CPU_OVERHEAD = 5e10, 30e-6
"""FLOP/s of one core, and seconds that it loses in each layer of each network in each step."""
GPU_RATE, GPU_OVERHEAD = 1e13, 50e-6
"""FLOP/s of a data-centre GPU, and seconds that it loses in each layer of a whole stack in each step: about 25 kernels
of 2 µs out of a CUDA graph. Neither was measured (docs/engine.md)."""


@dataclass(frozen=True)
class Cost:
    """What one tile, or a sum of tiles, takes.

    Attributes:
        flops: multiplications and additions of the matrix products, training and evaluation.
        cell_layers, stack_layers: layers passed in training, of every network by itself and of whole stacks.
    """

    flops: float = 0.0
    cell_layers: float = 0.0
    stack_layers: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.flops + other.flops,
            self.cell_layers + other.cell_layers,
            self.stack_layers + other.stack_layers,
        )

    def seconds(self, device: str = "cpu") -> float:
        """A guess at the time on one CPU core or one data-centre GPU, good to a factor of two or three."""
        if device == "cpu":
            return self.flops / CPU_RATE + self.cell_layers * CPU_OVERHEAD
        return self.flops / GPU_RATE + self.stack_layers * GPU_OVERHEAD

    def in_words(self) -> str:
        """``1.5e+16 FLOP (about 12 days on one CPU core, 1.7 h on a data-centre GPU)``."""
        cpu, gpu = duration(self.seconds("cpu")), duration(self.seconds("cuda"))
        return f"{self.flops:.2g} FLOP (about {cpu} on one CPU core, {gpu} on a data-centre GPU)"


def cell_count(tile: Mapping[str, Any]) -> int:
    """Cells in a tile: the product of its stacked axes."""
    return prod(len(value) for value in tile.values() if isinstance(value, list))


def cost(tile: Mapping[str, Any], size: DataSize | None = None) -> Cost:
    """The cost of a tile, normalised or as written.

    2 FLOP per weight and sample forward, 4 backward; each set is evaluated with both kinds of statistics, the training
    set on as many samples as the test set has. ``size`` is that of the data in use; None takes the whole data set's,
    and MNIST's for a user's own.
    """
    whole = size or KNOWN.get(tile.get("dataset", "digits"), KNOWN["mnist"])
    train, test = tile.get("train_size") or whole.train, tile.get("test_size") or whole.test
    batch = int(tile.get("batch_size", 64))
    steps = int(tile["steps"]) if tile.get("steps") else int(tile.get("epochs") or 1) * max(train // batch, 1)
    vgg = tile.get("architecture") == "vgg19-bn"
    given = len(convolutions()) if vgg else tile.get("depth", 10)
    depths = [int(depth) for depth in (given if isinstance(given, list) else [given])]
    copies = cell_count(tile) / (len(depths) if isinstance(given, list) else 1)
    weights = copies * sum(_weights(tile, depth, whole) for depth in depths)
    tests = 4 + (steps * batch / train if vgg else 0)  # of VGG the test set is evaluated after every epoch
    return Cost(
        flops=float(weights * (6 * steps * batch + 2 * tests * test)),
        cell_layers=float(copies * sum(depths) * steps),
        stack_layers=float(max(depths) * steps),
    )


def layer_elements(tile: Mapping[str, Any]) -> int:
    """Numbers in one hidden layer of the whole tile: what a device computes at a time."""
    batch = int(tile.get("batch_size", 64))
    if tile.get("architecture") == "vgg19-bn":
        return batch * max(after * side**2 for _, after, side in convolutions())
    return cell_count(tile) * batch * _width(tile)


def _width(tile: Mapping[str, Any]) -> int:
    """Units of a hidden layer; of a residual network the first number of its widths."""
    if tile.get("architecture") != "resnet":
        return int(tile.get("width", 128))
    found = re.match(r"\d+", str(tile.get("widths", 128)))
    return int(found.group()) if found else 128


def _weights(tile: Mapping[str, Any], depth: int, size: DataSize) -> int:
    """Weights of one network, each as often as it is used; a residual network by the first number of its widths."""
    if tile.get("architecture") == "vgg19-bn":
        return multiplications(size.classes)
    width = _width(tile)
    hidden = 2 * depth if tile.get("architecture") == "resnet" else depth - 1
    return size.inputs * width + hidden * width**2 + width * size.classes


def duration(seconds: float) -> str:
    """``42 s``, ``3 min``, ``2.5 h``, ``4 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
