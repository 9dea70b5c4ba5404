"""The phase map as a heat map, with the theory's line, the fitted line and the frontier on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import blended_transform_factory

from sweeps.agreement import Agreement, sum_lr_in_words
from sweeps.figures import style as styles
from sweeps.figures.axes import MapAxis, dress, map_axis
from sweeps.frontier import ACCURACIES
from sweeps.overlay import Field, Prediction
from sweeps.summary import Cells, summarise

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
_FAR = 1e9
"""Where a line through a critical point, ξ = ∞, is drawn to."""


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
    colour and hatch of their own; where only some did, a dark corner says so. The frontier is drawn as circles, and
    as triangles at the map's edge where it is censored.

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
    mesh = ax.pcolormesh(
        x.edges,
        y.edges,
        np.ma.masked_invalid(cells.mean),
        cmap=matplotlib.colormaps[styles.COLOUR_MAP],
        norm=Normalize(low, high),
        edgecolors="face",
        linewidth=0.2,
        gid=f"{ids}-cells" if ids else None,
    )
    _draw_states(ax, x, y, cells)
    for field in fields:
        _draw_field(ax, field, ids)
    if agreement is not None:
        _draw_lines(ax, x, agreement, ids)
        _draw_frontier(ax, x, agreement, ids)
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


def _draw_states(ax: Axes, x: MapAxis, y: MapAxis, cells: Cells) -> None:
    for state, colour in styles.OUTCOME_COLOURS.items():
        squares = [_square(x, y, i, j) for i, j in np.argwhere(cells.state == state).tolist()]
        # losses may not exist for a finished cell either: drawn as missing
        if state == "missing":
            squares += [
                _square(x, y, i, j) for i, j in np.argwhere((cells.state == "finished") & np.isnan(cells.mean)).tolist()
            ]
        if squares:
            hatch = styles.OUTCOME_HATCHES[state]
            ax.add_collection(
                PatchCollection(squares, facecolor=colour, edgecolor="#3a3a3c", linewidth=0.0, hatch=hatch),
                autolim=False,
            )
    for i, j in np.argwhere(cells.partly_failed):
        corner_x, corner_y = x.edges[j + 1], y.edges[i + 1]
        width, height = (x.edges[j + 1] - x.edges[j]) * 0.3, (y.edges[i + 1] - y.edges[i]) * 0.3
        corners = [(corner_x, corner_y), (corner_x - width, corner_y), (corner_x, corner_y - height)]
        ax.fill(*zip(*corners, strict=True), color=styles.OUTCOME_COLOURS["diverged"], linewidth=0)


def _square(x: MapAxis, y: MapAxis, i: int, j: int) -> Rectangle:
    corner = (float(x.edges[j]), float(y.edges[i]))
    return Rectangle(corner, float(x.edges[j + 1] - x.edges[j]), float(y.edges[i + 1] - y.edges[i]))


def _curve(x: MapAxis, prediction: Prediction) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """ξ as a line over the whole axis: the curve between columns, or one flat step per column."""
    if prediction.curve_x.size:
        return prediction.curve_x, np.minimum(prediction.curve_xi, _FAR)
    steps = np.stack([x.edges[:-1], x.edges[1:], x.edges[1:]], axis=1).ravel()
    values = np.repeat(np.minimum(prediction.xi, _FAR), 3)
    values[2::3] = np.nan
    return steps, values


def _draw_lines(ax: Axes, x: MapAxis, agreement: Agreement, ids: str) -> None:
    prediction = agreement.prediction
    if not prediction.exists:
        return
    where, xi = _curve(x, prediction)
    lines: list[tuple[str, float, str, Any, str]] = []
    if agreement.kappa is not None:
        lines.append((f"fitted {agreement.kappa:.1f} ξ", agreement.kappa, styles.FITTED, "solid", "fit"))
    # the paper's line last: where the two coincide, its dashes lie on the fitted line and both are seen
    lines.append((f"{prediction.factor:g} ξ", prediction.factor, styles.THEORY, (0, (4, 2.5)), "theory"))
    markers = np.column_stack([x.centres, agreement.frontier.depth])
    highest = max(lines, key=lambda line: line[1])
    for label, factor, colour, dashes, name in lines:
        rim = styles.halo(matplotlib.rcParams["lines.linewidth"] + 1.4)
        (line,) = ax.plot(where, factor * xi, color=colour, linestyle=dashes, path_effects=rim, zorder=3)
        path = np.column_stack([where, factor * xi])
        text = _label(ax, path, markers, label, colour, above=factor == highest[1], late=name == "theory")
        if ids:
            line.set_gid(f"{ids}-{name}")
            text.set_gid(f"{ids}-{name}-label")


def _label(
    ax: Axes,
    path: Float[np.ndarray, "points 2"],
    markers: Float[np.ndarray, "columns 2"],
    label: str,
    colour: str,
    *,
    above: bool,
    late: bool,
) -> Text:
    """Writes the label on its line, towards the right end (``late``) or the left, clear of the frontier's markers; at
    the map's edge if the line is beyond it."""
    to_axes = ax.transData + ax.transAxes.inverted()
    points = to_axes.transform(np.nan_to_num(path, nan=-_FAR))
    taken = to_axes.transform(markers[np.isfinite(markers).all(axis=1)])
    inside = (points[:, 0] > 0.12) & (points[:, 0] < 0.88) & (points[:, 1] > 0.08) & (points[:, 1] < 0.92)
    options: dict[str, Any] = {
        "color": colour,
        "fontsize": "small",
        "fontweight": "bold",
        "path_effects": styles.halo(2.4),
        "zorder": 5,
    }
    if not inside.any():
        beyond = np.nanmedian(path[:, 1]) > ax.get_ylim()[1]
        edge, va = (0.985, "top") if beyond else (0.015, "bottom")
        words = f"{label} {'↑ deeper than the map' if beyond else '↓ shallower than the map'}"
        column = 0.98 if late else 0.02
        return ax.text(column, edge, words, transform=ax.transAxes, ha="right" if late else "left", va=va, **options)
    candidates = points[inside]
    apart = np.abs(candidates[:, None] + np.array([0, 0.04 if above else -0.04]) - taken[None])
    hidden = ((apart[..., 0] < 0.02 + 0.011 * len(label)) & (apart[..., 1] < 0.055)).sum(axis=1)
    best = candidates[np.argmin(hidden + np.abs(candidates[:, 0] - (0.74 if late else 0.3)))]
    offset = (0, 5) if above else (0, -5)
    return ax.annotate(
        label,
        best,
        xycoords="axes fraction",
        xytext=offset,
        textcoords="offset points",
        ha="center",
        va="bottom" if above else "top",
        **options,
    )


def _draw_field(ax: Axes, field: Field, ids: str) -> None:
    if not (np.nanmin(field.values) < max(field.levels) and np.nanmax(field.values) > min(field.levels)):
        return  # every level lies beyond the map
    contours = ax.contour(
        field.x,
        field.y,
        field.values,
        levels=field.levels,
        colors=field.colour or styles.CONTOUR,
        linewidths=1.6 if field.dashed else 1.0,
        linestyles="dashed" if field.dashed else "solid",
    )
    contours.set_path_effects(styles.halo(3.0 if field.dashed else 2.2))
    texts = contours.clabel(fmt=field.form.format, fontsize="small")
    for text in texts:
        text.set_path_effects(styles.halo(2.0))
    if ids:
        contours.set_gid(f"{ids}-{field.name}")
        for i, text in enumerate(texts):
            text.set_gid(f"{ids}-{field.name}-label-{i}")


def _draw_frontier(ax: Axes, x: MapAxis, agreement: Agreement, ids: str) -> None:
    found = agreement.frontier
    options: dict[str, Any] = {
        "linestyle": "none",
        "markerfacecolor": styles.FRONTIER,
        "markeredgecolor": "#101014",
        "zorder": 4,
    }
    inside = np.isfinite(found.depth)
    (line,) = ax.plot(x.centres[inside], found.depth[inside], marker="o", **options)
    edge = blended_transform_factory(ax.transData, ax.transAxes)
    artists = [line]
    for side, height, marker in (("right", 0.975, "^"), ("left", 0.025, "v")):
        at = x.centres[np.array([censored == side for censored in found.censored])]
        if at.size:
            artists += ax.plot(at, np.full(at.size, height), marker=marker, transform=edge, **options)
    if ids:
        for i, artist in enumerate(artists):
            artist.set_gid(f"{ids}-frontier-{i}")


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
    dot: dict[str, Any] = {"linestyle": "none", "markerfacecolor": styles.FRONTIER, "markeredgecolor": "#101014"}
    censored = {side for agreement in agreements for side in agreement.frontier.censored}
    for side, marker, words in (
        ("", "o", "frontier"),
        ("right", "^", "frontier deeper"),
        ("left", "v", "frontier shallower"),
    ):
        if side in censored:
            handles.append(Line2D([], [], marker=marker, label=words, **dot))
    outcome = phase_map["outcome"].values
    for state, colour in styles.OUTCOME_COLOURS.items():
        if (outcome == state).any():
            hatch = styles.OUTCOME_HATCHES[state]
            handles.append(Patch(facecolor=colour, edgecolor="#3a3a3c", hatch=hatch, linewidth=0.5, label=state))
    return handles
