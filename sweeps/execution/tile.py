"""A tile as the scheduler handles it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phasemap.train.planning.cost import cell_count


@dataclass
class Tile:
    """One tile of the run; ``cost`` in guessed seconds."""

    key: str
    parameters: dict[str, Any]
    cost: float
    attempts: int = 0
    not_before: float = 0.0

    @property
    def cells(self) -> int:
        """Cells in the tile."""
        return cell_count(self.parameters)
