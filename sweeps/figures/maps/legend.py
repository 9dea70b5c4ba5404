"""The legend of a map: what occurs on it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Patch
from matplotlib.path import Path as Outline

from phasemap.sweeps.figures import style as styles
from phasemap.sweeps.figures.maps import cell_marks
from phasemap.sweeps.figures.maps.contours import legend_line
from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.phase_map.squares import summarise
from phasemap.sweeps.verdict.depth_scale import Agreement


def legend_handles(
    phase_map: xr.Dataset, agreements: list[Agreement], fields: Sequence[Field] = ()
) -> list[Line2D | Patch]:
    """What occurs on the map, and nothing else."""
    handles: list[Line2D | Patch] = [legend_line(field) for field in fields]
    dot: dict[str, Any] = {"linestyle": "none", "markerfacecolor": styles.FRONTIER, "markeredgecolor": styles.RIM}
    censored = {side for agreement in agreements for side in agreement.frontier.censored}
    for side, marker, words in (
        ("", "o", "frontier"),
        ("right", "^", "frontier deeper"),
        ("left", "v", "frontier shallower"),
    ):
        if side in censored:
            handles.append(Line2D([], [], marker=marker, label=words, **dot))
    cells = summarise(phase_map, ACCURACIES[0])
    for state, colour in styles.OUTCOME_COLOURS.items():
        if (cells.state == state).any():
            hatch = styles.OUTCOME_HATCHES[state]
            handles.append(Patch(facecolor=colour, edgecolor=cell_marks.EDGE, hatch=hatch, linewidth=0.5, label=state))
    for where, side, colour, words in (
        (cells.partly_failed, "right", styles.OUTCOME_COLOURS["diverged"], cell_marks.PARTLY_FAILED),
        (cells.exceeds_float32, "left", styles.BEYOND_FLOAT32, cell_marks.BEYOND_FLOAT32),
    ):
        if where.any():
            corner = MarkerStyle(
                Outline(
                    [(-1, -1), (1, -1), (-1, 1), (-1, -1)] if side == "left" else [(1, 1), (-1, 1), (1, -1), (1, 1)]
                )
            )
            handles.append(
                Line2D(
                    [],
                    [],
                    linestyle="none",
                    marker=corner,
                    markerfacecolor=colour,
                    markeredgecolor=cell_marks.EDGE,
                    label=words,
                )
            )
    return handles
