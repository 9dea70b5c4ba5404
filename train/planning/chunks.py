"""Divides a tile's cells into chunks that are trained as one stack each: by what stacking pays, and by memory.

A layer of a stack costs its kernels' launches once, and arithmetic and memory traffic once a member. Stacking pays as
long as the launches are felt: a chunk has as many members as bring them down to ``LAUNCH_SHARE`` of its step. So narrow
nets stack by the dozen on a CPU, wide ones (width ≥ 256 at batches of 128) hardly at all; a GPU, a thousand times as
fast but not at launching, wants 32 or more of any. How cells are divided changes no result (docs/engine.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from phasemap.models.vgg_shapes import FEATURES, convolutions, multiplications
from phasemap.train.families.catalogue import layer_widths, residual_widths, stacking_key
from phasemap.train.parameters import BN_MLP, RESNET, VGG

LAUNCH_SHARE = 0.05
"""Share of a step's time at which the launches are no longer worth more members."""
FEWEST = {"cpu": 1, "cuda": 32}
"""Members that a chunk has in any case, if there are as many and memory allows."""
KERNELS = {BN_MLP: 23, RESNET: 7}
"""Launches for each hidden activation of a network in one step (a residual block has two): forward, backward, running
statistics and update. Counted, as the next two are, for relu or tanh and SGD (``tests/train/engine/test_device.py``)."""
TRAFFIC = {BN_MLP: 28, RESNET: 6}
"""Times that a step reads or writes each number of a hidden activation, beside the matrix products."""
KEPT = {BN_MLP: 3.0, RESNET: 1.5}
"""Tensors as large as a hidden activation that are kept for the backward pass, by the φ that need most: normalised
pre-activations, φ's input and its output; of a residual block φ's input and output and the block's own input."""


@dataclass(frozen=True)
class Rates:
    """What a device does: FLOP/s of float32 products, bytes/s, and seconds that it loses at each launch."""

    flops: float
    bandwidth: float
    launch: float


RATES = {"cpu": Rates(1.2e11, 1.2e10, 6e-6), "cuda": Rates(3e13, 2e12, 2e-6)}
"""One core, measured (docs/engine.md); a data-centre GPU, from its data sheet, its launches out of a CUDA graph."""


@dataclass(frozen=True)
class StepCost:
    """What one training step of one network takes.

    Attributes:
        flops: of the matrix products: 2 for each weight and sample forward, 4 backward.
        traffic: bytes read and written beside them.
        launches: of kernels; a stack has those of its deepest member, once.
        memory: bytes held at the height of the step: weights, gradients, the optimizer's state, activations.
    """

    flops: float
    traffic: float
    launches: int
    memory: float

    def seconds(self, rates: Rates) -> float:
        """Time of one member, the launches apart."""
        return self.flops / rates.flops + self.traffic / rates.bandwidth


def step_cost(cell: Mapping[str, Any], *, inputs: int, classes: int, item: int = 4) -> StepCost:
    """The cost of one network's step; ``item`` is the size of a number in bytes."""
    batch, widths, family = cell["batch_size"], layer_widths(cell), _family(cell)
    weights = _weights(cell, inputs, classes)
    activations = batch * sum(widths)
    products = batch * (multiplications(classes) if cell["architecture"] == VGG else weights)
    remembered = 1 if cell["optimizer"] == "rmsprop" or cell["momentum"] else 0
    return StepCost(
        flops=6.0 * products,
        traffic=float(item * (TRAFFIC[family] * activations + (5 + 4 * remembered) * weights)),
        launches=KERNELS[family] * len(widths),
        memory=float(
            item * ((2 + remembered) * weights + KEPT[family] * activations + batch * inputs)
            + 4 * item * batch * max(widths)  # in flight at any one time
        ),
    )


def _family(cell: Mapping[str, Any]) -> str:
    """Whose layers a cell's cost as much as: VGG's are convolution, BN and φ."""
    return RESNET if cell["architecture"] == RESNET else BN_MLP


def _weights(cell: Mapping[str, Any], inputs: int, classes: int) -> int:
    """Weights of one network, vectors left out."""
    if cell["architecture"] == RESNET:
        widths = residual_widths(cell)
        before, after = widths.activation[:-1], widths.activation[1:]
        blocks = sum(
            hidden * (n + m) + (n * m if n != m else 0)
            for n, m, hidden in zip(before, after, widths.hidden, strict=True)
        )
        return inputs * before[0] + blocks + after[-1] * classes
    if cell["architecture"] == BN_MLP:
        width = cell["width"]
        return int(inputs * width + (cell["depth"] - 1) * width**2 + width * classes)
    return sum(9 * before * after for before, after, _ in convolutions()) + FEATURES * classes


def members_that_pay(costs: Sequence[StepCost], kind: str) -> int:
    """Members after which more in one stack gain less than ``LAUNCH_SHARE``."""
    rates = RATES[kind]
    launching = max(cost.launches for cost in costs) * rates.launch
    each = sum(cost.seconds(rates) for cost in costs) / len(costs)
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
    costs = [step_cost(cell, inputs=inputs, classes=classes, item=item) for cell in cells]
    groups: dict[Any, list[int]] = {}
    for place in sorted(range(len(cells)), key=lambda place: -cells[place].get("depth", 0)):
        groups.setdefault(stacking_key(cells[place]), []).append(place)
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
