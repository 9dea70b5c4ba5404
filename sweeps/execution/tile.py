"""A tile: cells that are trained together, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phasemap.train.planning.cost import Cost, cell_count


@dataclass(frozen=True)
class Tile:
    """One tile of an experiment.

    Attributes:
        key: the name of its result.
        parameters: normalised; a stacked axis is a list.
        price: what its training takes, on whatever device. steps: of each cell, where somebody wants to know.
    """

    key: str
    parameters: Mapping[str, Any]
    price: Cost
    steps: int = 0

    @property
    def cells(self) -> int:
        """Cells in the tile."""
        return cell_count(self.parameters)

    def seconds(self, device: str) -> float:
        """A guess at the time that one ``device`` takes for it."""
        return self.price.seconds(device)
