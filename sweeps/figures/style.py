"""One look for all figures: the same colour for the same quantity everywhere, and how a figure is written to files."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import LogFormatterSciNotation

from phasemap.theory.errors import InputError
from phasemap.train.whole_file import write_bytes

STYLES = ("report", "paper")
_METADATA = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
}
"""What would differ from one drawing to the next is left out."""
PICTURES = tuple(_METADATA)
"""Kinds of files, by their suffix."""
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
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
INK = "#1b1b1c"
"""Text and frames. The report replaces it by the page's own colour, so that one picture serves light and dark."""


def halo(width: float = 1.6) -> list[AbstractPathEffect]:
    """A dark rim: keeps light lines and letters readable on every colour of the map."""
    return [withStroke(linewidth=width, foreground=RIM)]


@dataclass(frozen=True)
class Look:
    """How the picture of a map is drawn.

    Attributes:
        style: ``report`` (screen) or ``paper`` (print: serif, and no line above, since a paper has its own caption).
        panels: 2, with running and with batch statistics (or test and training); or 1, the map's own metric, at a
            column's width.
        frontier: whether the measured frontier and the line fitted to it are drawn; in a paper only on request.
    """

    style: str = "report"
    panels: int = 2
    frontier: bool = True

    @classmethod
    def of(cls, style: str, panels: int, frontier: bool | None) -> Look:
        """With the style's own choice where ``frontier`` is None.

        Raises:
            InputError: an unknown style, or another number of panels.
        """
        if style not in STYLES:
            raise InputError(f"--style {style}: expected one of {', '.join(STYLES)}")
        if panels not in (1, 2):
            raise InputError(f"--panels {panels}: expected 1 or 2")
        return cls(style, panels, style != "paper" if frontier is None else frontier)


SCREEN = Look()


@contextmanager
def styled(style: str = "report", *, formulas: bool = False) -> Iterator[None]:
    """Matplotlib's settings for ``report`` (screen) or ``paper`` (column width, embedded fonts) within the block.

    Text is drawn as it is, whatever letters a name has; what the font lacks becomes a box, without a word.

    Args:
        formulas: TeX between dollars is set, for a figure in which no text is a user's.

    Raises:
        InputError: unknown style.
    """
    if style not in STYLES:
        raise InputError(f"style: {style!r}: expected one of {', '.join(STYLES)}")
    look: list[str | Path | dict[str, Any]] = [
        "default",
        Path(__file__).with_name(f"{style}.mplstyle"),
        {"text.parse_math": formulas},
    ]
    with warnings.catch_warnings(), matplotlib.style.context(look):
        warnings.filterwarnings("ignore", message="Glyph .* missing from|Matplotlib currently does not support")
        yield


def save(figure: Figure, path_stem: Path, style: str = "report", *, formulas: bool = False) -> tuple[Path, Path]:
    """Writes ``path_stem``.png and .pdf, each whole or not at all, and returns their paths. The same figure gives the
    same bytes; ``formulas`` as it was `styled` with."""
    png = _write(figure, path_stem, "png", style, formulas=formulas)
    figure.set_layout_engine("none")  # the layout is made; the second file would measure it all again
    return png, _write(figure, path_stem, "pdf", style, formulas=formulas)


def save_png(figure: Figure, path_stem: Path, style: str = "report", *, pdf: bool) -> Path:
    """The PNG of `save`, and the PDF only if it is asked for: it takes long. One of an earlier drawing goes."""
    if pdf:
        return save(figure, path_stem, style)[0]
    png = _write(figure, path_stem, "png", style)
    path_stem.with_name(f"{path_stem.name}.pdf").unlink(missing_ok=True)
    return png


def _write(figure: Figure, path_stem: Path, kind: str, style: str, *, formulas: bool = False) -> Path:
    path = path_stem.with_name(f"{path_stem.name}.{kind}")
    with styled(style, formulas=formulas):
        write_bytes(path, drawn(figure, kind, metadata=_METADATA[kind]))
    return path


def save_as(figure: Figure, path: Path, style: str = "report") -> Path:
    """Writes the one file that the suffix of ``path`` asks for, one of ``PICTURES``, whole or not at all; ``path``."""
    kind = path.suffix[1:].lower()
    with styled(style), matplotlib.rc_context({"svg.hashsalt": "phasemap", "svg.fonttype": "none"}):
        write_bytes(path, drawn(figure, kind, metadata=_METADATA[kind]))
    return path


def save_named(figure: Figure, path: Path, style: str = "report") -> Sequence[Path]:
    """As `save_as` where the path has a suffix, else as `save`."""
    return [save_as(figure, path, style)] if path.suffix else save(figure, path, style)


def drawn(figure: Figure, kind: str, **options: Any) -> bytes:
    """The picture as a file of the given kind (``png``): whole before anything is written."""
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, **options)
    return picture.getvalue()


class LogNumbers(LogFormatterSciNotation):
    """The numbers of a logarithmic axis, ``10⁻²``, as Matplotlib chooses them, without TeX."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """What Matplotlib calls."""
        plain = re.sub(r"\$|\\mathdefault\{|\}(?=\}?\$)", "", super().__call__(x, pos))
        return re.sub(r"\^\{?(-?\d+)\}?", lambda found: found[1].translate(SUPERSCRIPTS), plain.replace(r"\times", "×"))


def log_scale(ax: Axes) -> None:
    """Makes the vertical axis logarithmic."""
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(LogNumbers())
    ax.yaxis.set_minor_formatter(LogNumbers())
