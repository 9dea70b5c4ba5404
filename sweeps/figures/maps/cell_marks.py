"""What lies on single cells of a map: missing, diverged and dead squares, and corners that warn.

All squares of a kind are one path, so that a map of thousands of cells is drawn in a moment.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from phasemap.sweeps.figures import style as styles
from phasemap.sweeps.phase_map.axes import MapAxis
from phasemap.sweeps.phase_map.squares import Cells

EDGE = "#3a3a3c"
CORNER = 0.3
"""Part of a cell's width and height that a corner takes."""
PARTLY_FAILED = "some seeds diverged or dead"
BEYOND_FLOAT32 = "gradients beyond float32"

Grid = Bool[np.ndarray, "y x"]


def draw_states(ax: Axes, x: MapAxis, y: MapAxis, cells: Cells, ids: str = "", *, rasterized: bool = False) -> None:
    """Colour and hatch over the squares that have no number to show. A loss may not exist for a finished cell either:
    it is drawn as missing. ``rasterized``: PDF and SVG hold them as pixels."""
    for state, colour in styles.OUTCOME_COLOURS.items():
        where = cells.state == state
        if state == "missing":
            where |= (cells.state == "finished") & np.isnan(cells.mean)
        hatch = styles.OUTCOME_HATCHES[state]
        look: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "linewidth": 0.0, "rasterized": rasterized}
        _fill(ax, _squares(x, y, where), ids and f"{ids}-state-{state}", **look)


def draw_corners(ax: Axes, x: MapAxis, y: MapAxis, cells: Cells, ids: str = "", *, rasterized: bool = False) -> None:
    """Upper right where only some seeds failed; lower left where gradients leave float32's range and float32 it was."""
    partly, beyond = _corners(x, y, cells.partly_failed, 1), _corners(x, y, cells.exceeds_float32, 0)
    look: dict[str, Any] = {"linewidth": 0.5, "rasterized": rasterized}
    _fill(ax, partly, ids and f"{ids}-partly", facecolor=styles.OUTCOME_COLOURS["diverged"], **look)
    _fill(ax, beyond, ids and f"{ids}-float32", facecolor=styles.BEYOND_FLOAT32, **look)


def _fill(ax: Axes, corners: Float[np.ndarray, "shapes points 2"], gid: str, **look: Any) -> None:
    if not corners.size:
        return
    shapes, points, _ = corners.shape
    closed = np.concatenate([corners, corners[:, :1]], axis=1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO] + [Path.LINETO] * (points - 1) + [Path.CLOSEPOLY], shapes)
    drawn = PatchCollection([PathPatch(Path(closed, codes))], edgecolor=EDGE, **look)
    if gid:
        drawn.set_gid(gid)
    ax.add_collection(drawn, autolim=False)


def _squares(x: MapAxis, y: MapAxis, where: Grid) -> Float[np.ndarray, "squares 4 2"]:
    i, j = np.nonzero(where)
    west, east, south, north = x.edges[j], x.edges[j + 1], y.edges[i], y.edges[i + 1]
    return np.stack([west, south, east, south, east, north, west, north], axis=1).reshape(-1, 4, 2)


def _corners(x: MapAxis, y: MapAxis, where: Grid, end: int) -> Float[np.ndarray, "corners 3 2"]:
    """Triangles in the lower left (``end`` 0) or upper right (1) corner of the cells."""
    i, j = np.nonzero(where)
    along_x, along_y = _inwards(x, j, end), _inwards(y, i, end)
    at_x, at_y = x.edges[j + end], y.edges[i + end]
    return np.stack([at_x, at_y, along_x, at_y, at_x, along_y], axis=1).reshape(-1, 3, 2)


def _inwards(axis: MapAxis, cell: np.ndarray, end: int) -> Float[np.ndarray, " cells"]:
    """A point CORNER of the way from one end of the cells to the other, as it looks on the axis's scale."""
    near, far = axis.edges[cell + end], axis.edges[cell + 1 - end]
    if axis.scale == "log":
        return np.asarray(near * (far / near) ** CORNER)
    return np.asarray(near + (far - near) * CORNER)
