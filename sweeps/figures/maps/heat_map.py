"""The phase map as a heat map, with the theory's line, the fitted line and the frontier on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Patch
from matplotlib.path import Path as Outline

from phasemap.sweeps.figures import style as styles
from phasemap.sweeps.figures.maps import cell_marks, theory_lines
from phasemap.sweeps.figures.maps.axes_dress import dress
from phasemap.sweeps.overlays.overlay import Field
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.squares import summarise
from phasemap.sweeps.verdict.depth_scale import Agreement, sum_lr_in_words

TITLES = {
    "test_accuracy": "test accuracy, running statistics",
    "test_accuracy_batch": "test accuracy, batch statistics",
    "train_accuracy": "training accuracy, running statistics",
    "train_accuracy_batch": "training accuracy, batch statistics",
    "test_loss": "test loss",
    "train_loss": "training loss",
}
BOTH_MODES = ("test_accuracy", "test_accuracy_batch")
TEST_AND_TRAINING = ("test_accuracy", "train_accuracy")
NARROW = 0.1
MOST_VECTORS = 2000
"""Squares; of a map with more, a PDF holds them as a picture, and they have no edges of their own."""


def titles(phase_map: xr.Dataset) -> dict[str, str]:
    """The metrics in words; residual networks have no statistics to tell apart."""
    if phase_map.attrs.get("architecture") != "resnet":
        return TITLES
    return {metric: words.partition(",")[0] for metric, words in TITLES.items()}


def colour_limits(phase_map: xr.Dataset, metric: str) -> tuple[float, float]:
    """Fixed, so that maps compare: accuracy 0 to 1; loss 0 to ln(1/chance), about the loss of guessing. Only where all
    accuracies of residual networks are within NARROW, the whole twentieths around them: the zag would be one colour."""
    if metric in ACCURACIES:
        mean = summarise(phase_map, metric).mean
        if phase_map.attrs.get("architecture") == "resnet" and np.isfinite(mean).any():
            low, high = float(np.nanmin(mean)), float(np.nanmax(mean))
            if high - low < NARROW:
                return math.floor(low * 20) / 20, math.ceil(high * 20) / 20
        return 0.0, 1.0
    chance = phase_map.attrs["chance"]
    return 0.0, float(np.log(1 / chance)) if 0 < chance < 1 else 1.0


def draw(
    phase_map: xr.Dataset,
    agreement: Agreement | None,
    *,
    ax: Axes | None = None,
    metric: str | None = None,
    colour_bar: bool = True,
    title: str | None = None,
    fields: Sequence[Field] = (),
    ids: str = "",
) -> Axes:
    """Draws one metric of the map.

    Cells are drawn on their true edges. Missing cells are hatched; cells of which every seed diverged or died have a
    colour and hatch of their own; where only some did, an orange corner says so, and a white one where gradients leave
    float32's range. The frontier is drawn as circles, and as triangles at the map's edge where it is censored.

    Args:
        agreement: gives frontier, 16ξ and κ·ξ; None draws the bare map.
        ax: None makes a figure of its own (``ax.figure``).
        metric: the agreement's (or the map's own) if not given.
        fields: predicted quantities to draw as contours (``overlay.fields``).
        ids: prefix of the SVG ids of cells, lines and markers; none if empty.

    Raises:
        InputError: from ``summarise``, for a metric that the map does not have.
    """
    metric = metric or (agreement.metric if agreement else phase_map.attrs["metric"])
    if ax is None:
        ax = Figure(figsize=(6.2, 4.4), layout="constrained").add_subplot()
    x, y = map_axis(phase_map, "x"), map_axis(phase_map, "y")
    dress(ax, x, y)
    ax.set_autoscale_on(False)
    cells = summarise(phase_map, metric)
    low, high = colour_limits(phase_map, metric)
    many = cells.mean.size > MOST_VECTORS
    mesh = ax.pcolormesh(
        x.edges,
        y.edges,
        np.ma.masked_invalid(cells.mean),
        cmap=matplotlib.colormaps[styles.COLOUR_MAP],
        norm=Normalize(low, high),
        edgecolors="none" if many else "face",
        linewidth=0.5,
        antialiased=not many,
        rasterized=many,
        gid=f"{ids}-cells" if ids else None,
    )
    cell_marks.draw_states(ax, x, y, cells, ids)
    cell_marks.draw_corners(ax, x, y, cells, ids)
    for field in fields:
        theory_lines.draw_field(ax, field, ids)
    if agreement is not None:
        theory_lines.draw_lines(ax, x, agreement, ids)
        theory_lines.draw_frontier(ax, x, agreement, ids)
    ax.set_title(titles(phase_map)[metric] if title is None else title)
    if colour_bar:
        bar = ax.figure.colorbar(mesh, ax=ax, extend="neither" if metric in ACCURACIES else "max", pad=0.02)
        narrow = metric in ACCURACIES and (low, high) != (0.0, 1.0)
        bar.set_label("loss (nat)" if metric not in ACCURACIES else "accuracy, narrow scale" if narrow else "accuracy")
        chance = phase_map.attrs["chance"]
        if metric in ACCURACIES and np.isfinite(chance) and not narrow:
            tenths = [tick for tick in np.linspace(0, 1, 6) if abs(tick - chance) > 0.05]
            bar.set_ticks([*tenths, chance], labels=[*(f"{tick:.1f}" for tick in tenths), "chance"])
    return ax


def panels(
    phase_map: xr.Dataset,
    agreements: Mapping[str, Agreement],
    *,
    style: str = "report",
    fields: Sequence[Field] = (),
) -> Figure:
    """The figure to publish: test accuracy with running and with batch statistics side by side, legend and caption.
    Residual networks, which have no batch statistics, get test and training accuracy.

    Args:
        agreements: by metric; a metric without one is drawn bare.
        fields: predicted quantities to draw as contours.
    """
    shown = TEST_AND_TRAINING if phase_map.attrs.get("architecture") == "resnet" else BOTH_MODES
    with styles.styled(style):
        paper = style == "paper"
        figure = Figure(figsize=(6.75, 3.1) if paper else (11, 5.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for ax, metric in ((left, shown[0]), (right, shown[1])):
            draw(phase_map, agreements.get(metric), ax=ax, metric=metric, colour_bar=ax is right, fields=fields)
        right.set_ylabel("")
        figure.legend(
            handles=legend_handles(phase_map, list(agreements.values()), fields),
            loc="outside lower center",
            ncols=(4 if paper else 6) if not fields else 2,
            handlelength=1.8,
        )
        figure.suptitle(caption(phase_map), fontsize="small" if not paper else "medium", wrap=True)
        return figure


def save(figure: Figure, path_stem: Path, style: str = "report") -> tuple[Path, Path]:
    """Writes ``path_stem``.png and .pdf and returns their paths."""
    return styles.save(figure, path_stem, style)


def caption(phase_map: xr.Dataset) -> str:
    """What the numbers depend on: data set, sizes, seeds, dtype, steps, Σ lr."""
    attributes = phase_map.attrs
    data = str(attributes["data"]).split(", digest")[0] or "no data yet"
    steps = phase_map["steps"].values[phase_map["outcome"].values == "finished"]
    told = [attributes["experiment"], data, _plural(phase_map.sizes["seed"], "seed"), attributes["dtype"]]
    if steps.size:
        low, high = int(steps.min()), int(steps.max())
        told.append(f"{low} steps" if low == high else f"{low} to {high} steps")
    if "sum_lr" in attributes:
        told.append(f"Σ lr = {sum_lr_in_words(phase_map)}")
    return " · ".join(str(part) for part in told if part)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def legend_handles(
    phase_map: xr.Dataset, agreements: list[Agreement], fields: Sequence[Field] = ()
) -> list[Line2D | Patch]:
    """What occurs on the map, and nothing else."""
    handles: list[Line2D | Patch] = [
        Line2D(
            [],
            [],
            color=field.colour or styles.CONTOUR,
            linestyle="dashed" if field.dashed else "solid",
            path_effects=styles.halo(3.0),
            label=field.label,
        )
        for field in fields
    ]
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
