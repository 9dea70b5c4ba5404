"""What the figures of the BN theory share: how many networks are sampled, the quantities' colours, the note below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from phasemap.theory.plural import counted

COLOURS = {"G": "#0072b2", "L": "#d55e00", "M": "#009e73", "CB": "#cc79a7"}
"""λ on R·G, on L, on M, and between mini-batches."""
THEORY_LINE: dict[str, Any] = {"color": "#1b1b1c", "linestyle": (0, (4, 2)), "linewidth": 1.1}


@dataclass(frozen=True)
class Scale:
    """How many networks of which width are sampled, from which seed. The paper: 200 of width 1000."""

    networks: int
    width: int
    seed: int = 0

    def note(self, also: str = "") -> str:
        """The small print that every figure carries."""
        count = counted(self.networks, "network")
        text = f"{count} of width {self.width}, seed {self.seed}, float64"
        return f"{text}; {also}" if also else text


def small_print(figure: Figure, text: str) -> None:
    """Writes what was sampled below the figure."""
    figure.supxlabel(text, fontsize="x-small", color="#5f5f63")


def batch_colours(count: int) -> list[tuple[float, float, float, float]]:
    """One colour per batch size, dark to light."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.85 * i / max(count - 1, 1)) for i in range(count)]
