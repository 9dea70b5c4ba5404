"""One look for all figures: the same colour for the same quantity everywhere, and how a figure is written to files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke

from phasemap.theory.errors import InputError

STYLES = ("report", "paper")
COLOUR_MAP = "viridis"
OUTCOME_COLOURS = {"diverged": "#d55e00", "dead": "#9a9a9a", "missing": "#ffffff", "failed": "#9cc4ff"}
OUTCOME_HATCHES = {"diverged": "xxx", "dead": "---", "missing": "///", "failed": ".."}
"""Colour and hatch, so that the outcomes differ for every eye and in black and white."""
BEYOND_FLOAT32 = "#ffffff"
THEORY = "#ffffff"
FITTED = "#ff96cf"
FRONTIER = "#ffffff"
CONTOUR = "#ffd9a0"
PRINTED = "#ff8f6b"
"""A line that a paper prints, where another one is right."""
ROLE_COLOURS = {
    "p": "#b9f59b",
    "s": "#ffd9a0",
    "e": "#ffffff",
    "chi": "#ffb3b3",
    "chi_w": "#9ad4ff",
    "chi_v": "#ffb7e3",
    "chi_w_spread": "#d7c7ff",
    "chi_sum": "#ffe97a",
    "gradient_spread": "#9ff0e0",
    "leading term": THEORY,
    "leading term as printed": PRINTED,
}
"""Contours by the role of what is predicted (``CONTOUR`` for others): light, on a dark rim, so that they show on every
colour of the map."""
RIM = "#000000"
"""Of light lines, letters and markers."""
INK = "#1b1b1c"
"""Text and frames. The report replaces it by the page's own colour, so that one picture serves light and dark."""


def halo(width: float = 1.6) -> list[AbstractPathEffect]:
    """A dark rim: keeps light lines and letters readable on every colour of the map."""
    return [withStroke(linewidth=width, foreground=RIM)]


@contextmanager
def styled(style: str = "report") -> Iterator[None]:
    """Matplotlib's settings for ``report`` (screen) or ``paper`` (column width, embedded fonts) within the block.

    Raises:
        InputError: unknown style.
    """
    if style not in STYLES:
        raise InputError(f"style: {style!r}: expected one of {', '.join(STYLES)}")
    with matplotlib.style.context(["default", Path(__file__).with_name(f"{style}.mplstyle")]):
        yield


def save(figure: Figure, path_stem: Path, style: str = "report") -> tuple[Path, Path]:
    """Writes ``path_stem``.png and .pdf and returns their paths. The same figure gives the same bytes."""
    path_stem.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = (path_stem.parent / f"{path_stem.name}.{kind}" for kind in ("png", "pdf"))
    with styled(style):
        figure.savefig(png, metadata={"Software": None})
        figure.set_layout_engine("none")  # the layout is made; the second file would measure it all again
        figure.savefig(pdf, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return png, pdf
