"""What one training step of one network takes, and how it follows from a network's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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


@dataclass(frozen=True)
class Layer:
    """What a family's hidden layer costs beside its matrix product, for each number of its activation.

    Counted for relu or tanh and SGD (``tests/train/engine/test_device.py``).

    Attributes:
        kernels: launches in one step: forward, backward, running statistics and update.
        traffic: times that a step reads or writes each number.
        kept: tensors as large as the activation that are kept for the backward pass, by the φ that need most.
    """

    kernels: int
    traffic: int
    kept: float


def layered_cost(
    cell: Mapping[str, Any],
    layer: Layer,
    *,
    widths: Sequence[int],
    weights: int,
    multiplications: int,
    inputs: int,
    item: int,
) -> StepCost:
    """The cost of a network of like layers.

    Args:
        widths: numbers in each hidden activation of one sample, in order.
        weights: of the network, vectors left out. multiplications: of one sample's forward pass.
        inputs: numbers in one sample. item: bytes of a number.
    """
    batch, activations = cell["batch_size"], cell["batch_size"] * sum(widths)
    remembered = 1 if cell["optimizer"] == "rmsprop" or cell["momentum"] else 0
    return StepCost(
        flops=6.0 * batch * multiplications,
        traffic=float(item * (layer.traffic * activations + (5 + 4 * remembered) * weights)),
        launches=layer.kernels * len(widths),
        memory=float(
            item * ((2 + remembered) * weights + layer.kept * activations + batch * inputs)
            + 4 * item * batch * max(widths)  # in flight at any one time
        ),
    )
