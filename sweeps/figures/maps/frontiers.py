"""The frontiers of several maps over one axis, with the paper's line: are they the same?"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from phasemap.sweeps.comparison.many_maps import Joint
from phasemap.sweeps.figures.conditions import in_lines
from phasemap.sweeps.figures.maps.words import caption
from phasemap.sweeps.figures.style import INK
from phasemap.sweeps.phase_map.axes import map_axis

MARKERS = "osD^vPX*"
LONGEST_LINE = 120
"""Characters of a caption's line."""


def draw(found: Joint, maps: Mapping[str, xr.Dataset], *, ax: Axes | None = None) -> Axes:
    """One line of markers per map, gaps where a column is censored, and the first map's multiple of ξ, dashed. What
    each map was trained on stands above."""
    if ax is None:
        ax = Figure(figsize=(7.2, 4.4 + 0.3 * len(maps)), layout="constrained").add_subplot()
    axes = [map_axis(one, "x") for one in maps.values()]
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(maps)))
    ax.set_xscale("log" if axes[0].scale == "log" else "linear")
    first = next(iter(found.agreements.values())).prediction
    if first.exists:
        label = f"{first.factor:g} ξ of {next(iter(maps))}"
        ax.plot(axes[0].centres, first.factor * first.xi, "--", color=INK, label=label)
    for i, (name, axis) in enumerate(zip(maps, axes, strict=True)):
        depth = found.agreements[name].frontier.depth
        ax.plot(axis.centres, depth, color=shades[i], marker=MARKERS[i % len(MARKERS)], label=name)
    ax.set_xticks(axes[0].centres, labels=axes[0].ticks)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(bottom=0)
    ax.set_xlabel(axes[0].label)
    ax.set_ylabel("frontier (layers)")
    captions = [in_lines(f"{name}: {caption(one)}", LONGEST_LINE) for name, one in maps.items()]
    ax.set_title("\n".join(captions), fontsize="x-small", loc="left")
    ax.legend()
    return ax
