"""Divides a tile's cells into chunks that are trained as one stack each: cells that fit together, within the memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from train.families import layer_widths, stacking_key

ACTIVATION_BYTES = 512 * 2**20  # of one chunk's training step, all layers
TENSORS_KEPT = 3  # per layer for the backward pass: input, normalised pre-activation, output
ITEM = 8  # bytes of a float64, the worst case


def activation_bytes(cell: Mapping[str, Any], inputs: int) -> int:
    """Bytes of activations that one training step of one network keeps."""
    return int(ITEM * cell["batch_size"] * (inputs + TENSORS_KEPT * sum(layer_widths(cell))))


def chunks(cells: Sequence[Mapping[str, Any]], *, inputs: int, budget: int = ACTIVATION_BYTES) -> list[list[int]]:
    """Places in ``cells``, deepest first, in chunks within ``budget`` (a cell above it stands alone)."""
    groups: dict[Any, list[int]] = {}
    for place in sorted(range(len(cells)), key=lambda place: -cells[place].get("depth", 0)):
        groups.setdefault(stacking_key(cells[place]), []).append(place)
    result: list[list[int]] = []
    for places in groups.values():
        room = 0
        for place in places:
            size = activation_bytes(cells[place], inputs)
            if place == places[0] or size > room:
                result.append([])
                room = budget
            result[-1].append(place)
            room -= size
    return result
