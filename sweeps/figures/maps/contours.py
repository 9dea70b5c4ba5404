"""Predicted quantities over a map as contours: their colours, where they run, and what is written on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from phasemap.sweeps.figures import style as styles
from phasemap.sweeps.overlays.field import Field

LEVELS = 8
"""About how many contours a quantity has that does not say where they run."""
POWERS_OF_TEN = "decades"
"""Role of exponents of ten."""


def contour_levels(field: Field) -> tuple[float, ...]:
    """Where the contours run: where the field says, or at round numbers over what the map reaches."""
    if field.levels is not None:
        return field.levels
    return () if field.span is None else tuple(float(level) for level in MaxNLocator(LEVELS).tick_values(*field.span))


def draw_field(ax: Axes, field: Field, ids: str = "") -> None:
    """A predicted quantity as contours; nothing if every level lies beyond the map."""
    levels = contour_levels(field)
    if not levels or not (np.nanmin(field.values) < max(levels) and np.nanmax(field.values) > min(levels)):
        return
    contours = ax.contour(
        field.x,
        field.y,
        field.values,
        levels=levels,
        colors=_colour(field),
        linewidths=1.6 if field.fitted else 1.0,
        linestyles=_dashes(field),
    )
    contours.set_path_effects(styles.halo(3.0 if field.fitted else 2.2))
    texts = contours.clabel(fmt=_form(field), fontsize="small")
    for text in texts:
        text.set_path_effects(styles.halo(2.0))
        text.set_parse_math(field.role == POWERS_OF_TEN)
    if ids:
        contours.set_gid(f"{ids}-{field.name}")
        for i, text in enumerate(texts):
            text.set_gid(f"{ids}-{field.name}-label-{i}")


def legend_line(field: Field) -> Line2D:
    """What a legend shows of the contours."""
    return Line2D(
        [], [], color=_colour(field), linestyle=_dashes(field), path_effects=styles.halo(3.0), label=field.label
    )


def _colour(field: Field) -> str:
    return styles.ROLE_COLOURS.get(field.role, styles.CONTOUR)


def _dashes(field: Field) -> Literal["dashed", "solid"]:
    return "dashed" if field.fitted else "solid"


def _form(field: Field) -> Callable[[float], str]:
    """Of the number on a contour."""
    if field.note:
        return lambda _: str(field.note)
    return _power_of_ten if field.role == POWERS_OF_TEN else "{:g}".format


def _power_of_ten(exponent: float) -> str:
    """Without TeX, which takes a while, where letters can say it."""
    written = f"{exponent:g}"
    return f"$10^{{{written}}}$" if "." in written else f"10{written.translate(styles.SUPERSCRIPTS)}"
