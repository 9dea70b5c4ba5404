"""The map's axes as a drawing needs them: cell edges, positions of categories, scale, labels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from phasemap.sweeps.phase_map.axes import MapAxis

MOST_TICKS = 12


def dress(ax: Axes, x: MapAxis, y: MapAxis) -> None:
    """Scales, limits, ticks at the cells, labels."""
    for axis, one, set_scale, set_limits in (
        (ax.xaxis, x, ax.set_xscale, ax.set_xlim),
        (ax.yaxis, y, ax.set_yscale, ax.set_ylim),
    ):
        set_scale("log" if one.scale == "log" else "linear")
        set_limits(float(one.edges[0]), float(one.edges[-1]))
        shown = _some(one)
        text = {float(one.centres[i]): one.ticks[i] for i in shown}
        axis.set_major_locator(FixedLocator([float(one.centres[i]) for i in shown]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _, text=text: text.get(value, "")))
        axis.set_label_text(one.label)


def _some(axis: MapAxis) -> list[int]:
    """Indices of the cells that get a tick: those far enough from the tick before, at most about MOST_TICKS."""
    position = np.log(axis.centres) if axis.scale == "log" else axis.centres
    span = float(np.ptp(position)) or 1.0
    shown = [0]
    for i in range(1, len(position)):
        if position[i] - position[shown[-1]] >= span / MOST_TICKS * 0.999:
            shown.append(i)
    return shown
