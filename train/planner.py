"""Divides a tile's cells into chunks that are trained as one stack each, by the memory they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ACTIVATION_BYTES = 512 * 2**20  # of one chunk's training step, all layers
TENSORS_KEPT = 3  # per layer for the backward pass: input, normalised pre-activation, output
ITEM = 8  # bytes of a float64, the worst case


def activation_bytes(cell: Mapping[str, Any], inputs: int) -> int:
    """Bytes of activations that one training step of one network keeps."""
    return ITEM * cell["batch_size"] * (inputs + TENSORS_KEPT * cell["depth"] * cell["width"])


def chunks(cells: Sequence[Mapping[str, Any]], *, inputs: int, budget: int = ACTIVATION_BYTES) -> list[list[int]]:
    """Places in ``cells``, deepest first, in chunks within ``budget`` (a cell above it stands alone)."""
    order = sorted(range(len(cells)), key=lambda place: -cells[place]["depth"])
    result: list[list[int]] = []
    room = 0
    for place in order:
        size = activation_bytes(cells[place], inputs)
        if not result or size > room:
            result.append([])
            room = budget
        result[-1].append(place)
        room -= size
    return result
