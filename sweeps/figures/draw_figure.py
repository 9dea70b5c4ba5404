"""Draws a figure that needs no training into a folder."""

from __future__ import annotations

import inspect
from pathlib import Path

from phasemap.sweeps.figures.catalogue import theory_figure
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import RANGES, Range, brief

SAMPLED = {"networks": Range(2, 10_000), "width": Range(8, 10_000), "seed": RANGES["seed"]}
"""Of the sampled networks; the papers' are 200 of width 1000."""


def draw_figure(
    name: str,
    *,
    out: Path,
    networks: int | None = None,
    width: int | None = None,
    seed: int | None = None,
    style: str = "report",
) -> tuple[Path, Path]:
    """Draws one figure to ``out``/NAME.png and .pdf and returns their paths.

    Args:
        networks, width, seed: of the sampled networks; None is the figure's own quick scale.
        style: ``report`` or ``paper``.

    Raises:
        InputError: no such figure, a number out of range, or one for a figure that samples nothing.
    """
    function = theory_figure(name).load()
    given = {
        key: value for key, value in (("networks", networks), ("width", width), ("seed", seed)) if value is not None
    }
    known = inspect.signature(function).parameters
    mistakes = [f"--{key} {given[key]}: {name} draws theory only" for key in given if key not in known]
    mistakes += [
        f"--{key} {brief(value)}: expected {SAMPLED[key].reason(value)}"
        for key, value in given.items()
        if key in known and not SAMPLED[key].holds(value)
    ]
    if mistakes:
        raise InputError(*mistakes)
    from phasemap.sweeps.figures.style import save, styled

    with styled(style, formulas=True):
        figure = function(**given)
    return save(figure, out / name, style, formulas=True)
