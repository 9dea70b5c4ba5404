"""Two maps against each other as a heat map: the difference of their accuracies, and both frontiers."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from phasemap.sweeps.comparison.two_maps import Comparison
from phasemap.sweeps.figures import style as styles
from phasemap.sweeps.figures.conditions import in_lines
from phasemap.sweeps.figures.maps.axes_dress import dress
from phasemap.sweeps.figures.maps.words import caption, titles
from phasemap.sweeps.phase_map.axes import map_axis

COLOUR_MAP = "PuOr_r"
LONGEST_LINE = 120
"""Characters of a caption's line."""
MARKERS = (("A", "o", "#ffffff"), ("B", "s", "#101014"))


def draw(comparison: Comparison, *, ax: Axes | None = None, names: tuple[str, str] = ("A", "B")) -> Axes:
    """A - B on fixed limits -1 to 1; what either map did not run is hatched. Frontiers only where the maps have one.
    What each map was trained on stands above. In a given ``ax`` nothing is written outside it but the colour bar."""
    whole = ax is None
    if ax is None:
        ax = Figure(figsize=(6.6, 4.9), layout="constrained").add_subplot()
    x, y = map_axis(comparison.a, "x"), map_axis(comparison.a, "y")
    dress(ax, x, y)
    ax.set_autoscale_on(False)
    ax.patch.set(facecolor="white", hatch=styles.OUTCOME_HATCHES["missing"], edgecolor="#3a3a3c")
    mesh = ax.pcolormesh(
        x.edges,
        y.edges,
        np.ma.masked_invalid(comparison.difference),
        cmap=matplotlib.colormaps[COLOUR_MAP],
        norm=Normalize(-1, 1),
        edgecolors="face",
        linewidth=0.2,
    )
    frontiers = (comparison.frontier_a, comparison.frontier_b)
    for name, frontier, (_, marker, colour) in zip(names, frontiers, MARKERS, strict=True):
        if frontier is None:
            continue
        inside = np.isfinite(frontier.depth)
        ax.plot(
            x.centres[inside],
            frontier.depth[inside],
            linestyle="none",
            marker=marker,
            markerfacecolor=colour,
            markeredgecolor="#7a7a80",
            label=f"frontier of {name}",
        )
    if ax.lines and whole:
        ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    elif ax.lines:
        ax.legend(fontsize="small")
    title = f"{names[0]} − {names[1]}: {titles(comparison.a)[comparison.metric]}"
    captions = "\n".join(
        in_lines(f"{name}: {caption(one)}", LONGEST_LINE)
        for name, one in zip(names, (comparison.a, comparison.b), strict=True)
    )
    if whole:
        ax.set_title(title)
        ax.figure.suptitle(captions, fontsize="x-small")
    else:
        ax.set_title(f"{captions}\n{title}", fontsize="x-small")
    ax.figure.colorbar(mesh, ax=ax, pad=0.02).set_label("difference of accuracies")
    return ax
