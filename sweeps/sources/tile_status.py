"""Where an experiment stands, tile by tile, and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phasemap.sweeps.experiments.experiment import Experiment

STATES = ("finished", "diverged", "dead", "running", "failed", "missing")


@dataclass
class TileStatus:
    """One tile: what tells it from the others, and its cells by state."""

    label: str
    cells: Counter[str]
    note: str = ""


@dataclass
class Status:
    """Where an experiment stands.

    Attributes:
        experiment: whose tiles these are; None of tiles that were trained one by one.
        free_died: has the tiles trained again whose runs died without a word, as with kill -9; how many those are.
    """

    name: str
    tiles: list[TileStatus] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    experiment: Experiment | None = None
    free_died: Callable[[], int] = int

    @property
    def cells(self) -> Counter[str]:
        """All cells by state."""
        return sum((tile.cells for tile in self.tiles), Counter())

    @property
    def complete(self) -> bool:
        """Whether every cell has a result."""
        counts = self.cells
        return not any(counts[state] for state in ("running", "failed", "missing"))

    def text(self) -> str:
        """One line a tile, the sum, and the files that are no usable results."""
        width = max([len(tile.label) for tile in self.tiles] + [5])
        lines = [f"{self.name}", f"{'tile':{width}}  " + "  ".join(f"{state:>8}" for state in STATES)]
        lines += [
            f"{tile.label:{width}}  "
            + "  ".join(f"{tile.cells[s]:8d}" for s in STATES)
            + (f"  {tile.note}" if tile.note else "")
            for tile in self.tiles
        ]
        total = self.cells
        lines.append(f"{'total':{width}}  " + "  ".join(f"{total[state]:8d}" for state in STATES))
        lines += [f"warning: {problem}" for problem in self.problems]
        return "\n".join(lines)


def tile_label(parameters: Mapping[str, Any], axes: Mapping[str, Any]) -> str:
    """``batch_size=32, width=64``: the tile's values on the axes that make tiles."""
    return ", ".join(f"{name}={parameters[name]}" for name in axes if name in parameters) or "the only tile"
