"""The phase map as a heat map, with the theory's line, the fitted line and the frontier on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from phasemap.sweeps.figures import style as styles
from phasemap.sweeps.figures.conditions import SEPARATOR, in_lines
from phasemap.sweeps.figures.maps import cell_marks, contours, theory_lines
from phasemap.sweeps.figures.maps.axes_dress import dress
from phasemap.sweeps.figures.maps.colour_scale import WHOLE, colour_limits, scale_in_words
from phasemap.sweeps.figures.maps.legend import legend_handles
from phasemap.sweeps.figures.maps.words import caption, has_batch_statistics, titles
from phasemap.sweeps.figures.style import SCREEN, Look
from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.squares import summarise
from phasemap.sweeps.verdict.depth_scale import Agreement

BOTH_MODES = ("test_accuracy", "test_accuracy_batch")
TEST_AND_TRAINING = ("test_accuracy", "train_accuracy")
LONGEST_LINE = {1: 90, 2: 160}
"""Characters of a caption's line, by the number of panels."""
SIZES = {("report", 2): (11, 5.2), ("report", 1): (6.2, 5.0), ("paper", 2): (6.75, 2.9), ("paper", 1): (3.25, 2.5)}
"""Width and height of a figure in inches; a paper's column is 3.25 wide, its page 6.75."""
MOST_VECTORS = 2000
"""Squares; of a map with more, PDF and SVG hold them as pixels, and they have no edges of their own."""


def draw(
    phase_map: xr.Dataset,
    agreement: Agreement | None,
    *,
    ax: Axes | None = None,
    metric: str | None = None,
    colour_bar: bool = True,
    title: str | None = None,
    fields: Sequence[Field] = (),
    frontier: bool = True,
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
        fields: predicted quantities to draw as contours (``MapTheory.fields``).
        frontier: whether the measured frontier and the line fitted to it are drawn.
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
    cell_marks.draw_states(ax, x, y, cells, ids, rasterized=many)
    cell_marks.draw_corners(ax, x, y, cells, ids, rasterized=many)
    for field in fields:
        contours.draw_field(ax, field, ids)
    if agreement is not None:
        theory_lines.draw_lines(ax, x, agreement, ids, fitted=frontier)
        if frontier:
            theory_lines.draw_frontier(ax, x, agreement, ids)
    ax.set_title(titles(phase_map)[metric] if title is None else title)
    if colour_bar:
        bar = ax.figure.colorbar(mesh, ax=ax, extend="neither" if metric in ACCURACIES else "max", pad=0.02)
        narrow = metric in ACCURACIES and (low, high) != WHOLE
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
    look: Look = SCREEN,
    fields: Sequence[Field] = (),
) -> Figure:
    """The figure to publish: test accuracy with running and with batch statistics side by side, or the map's own metric
    alone, with a legend; on a screen with a caption above. Networks without batch statistics get test and training
    accuracy.

    Args:
        agreements: by metric; a metric without one is drawn bare.
        fields: predicted quantities to draw as contours.
    """
    both = BOTH_MODES if has_batch_statistics(phase_map) else TEST_AND_TRAINING
    shown = both if look.panels == 2 else (str(phase_map.attrs["metric"]),)
    paper = look.style == "paper"
    with styles.styled(look.style):
        figure = Figure(figsize=SIZES[look.style, look.panels], layout="constrained")
        places = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for ax, metric in zip(places, shown, strict=True):
            draw(
                phase_map,
                agreements.get(metric),
                ax=ax,
                metric=metric,
                colour_bar=ax is places[-1],
                title="" if paper and len(shown) == 1 else None,
                fields=fields,
                frontier=look.frontier,
            )
        for ax in places[1:]:
            ax.set_ylabel("")
        handles = legend_handles(phase_map, list(agreements.values()) if look.frontier else [], fields)
        columns = (4 if paper else 6) if not fields else 2
        if handles:
            fitting = min(columns, 3 * len(shown))
            figure.legend(handles=handles, loc="outside lower center", ncols=fitting, handlelength=1.8)
        if not paper:
            words = SEPARATOR.join(part for part in (caption(phase_map), scale_in_words(phase_map)) if part)
            figure.suptitle(in_lines(words, LONGEST_LINE[look.panels]), fontsize="small")
        return figure
