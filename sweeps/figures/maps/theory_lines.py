"""What lies over a map: the paper's line with its regimes, the fitted one, and the measured frontier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import blended_transform_factory

from phasemap.sweeps.figures import style as styles
from phasemap.sweeps.overlays.prediction import Prediction
from phasemap.sweeps.phase_map.axes import MapAxis
from phasemap.sweeps.verdict.depth_scale import Agreement

SYMBOLS = {"eps": "ε", "gamma": "γ", "beta": "β", "sigma_w": "σ_w"}
FAR = 1e9
"""Where a line through a critical point, ξ = ∞, is drawn to."""
MOST_MARKERS = 400
FINER = 16
"""Points of a line, for each of its own, among which its label looks for a place."""
MOST_PLACES = 200
"""On a line, that are tried for its label."""

_CRITICAL_TOP = 0.93

Points = Float[np.ndarray, "_ 2"]


def draw_lines(ax: Axes, x: MapAxis, agreement: Agreement, ids: str = "", *, fitted: bool = True) -> None:
    """The fitted line, if it is wanted, and the paper's over it: where the two coincide its dashes lie on the other and
    both are seen.

    Where the map has a critical point the paper's line is a wedge: each side is labelled with its regime and has a
    fitted line of its own, and the critical point gets a dotted line.
    """
    prediction = agreement.prediction
    if not prediction.exists:
        return
    where, xi = _curve(x, prediction)
    taken = np.column_stack([x.centres, agreement.frontier.depth])[:: _every(x)]
    low, high = ax.get_ylim()
    for critical in prediction.critical_x:  # whose label no other may cover
        written = low + (high - low) * np.linspace(_CRITICAL_TOP - 0.3, _CRITICAL_TOP, 7)
        taken = np.concatenate([taken, np.column_stack([np.full(7, critical), written])])
    lines = _lines(agreement)[0 if fitted else -1 :]
    highest = max(line.factor for line in lines)
    for i, line in enumerate(lines):
        path = np.column_stack([where, line.factor * xi])
        shown = path if line.points is None else np.where(line.points[:, None], path, np.nan)
        rim = styles.halo(matplotlib.rcParams["lines.linewidth"] + 1.4)
        (drawn,) = ax.plot(*shown.T, color=line.colour, linestyle=line.dashes, path_effects=rim, zorder=3)
        texts = [
            _label(ax, path[words.points], taken, words, line.colour, above=line.factor == highest)
            for words in line.labels
        ]
        if ids:
            which = f"{ids}-{line.name}" + (f"-{i}" if line.points is not None and i else "")
            drawn.set_gid(which)
            for k, text in enumerate(texts):
                text.set_gid(f"{which}-label{f'-{k}' if k else ''}")
    for i, critical in enumerate(prediction.critical_x):
        _draw_critical(ax, x, critical, f"{ids}-theory-critical-{i}" if ids else "")


@dataclass(frozen=True)
class _Words:
    """A label, and the points of the curve that it belongs to.

    Attributes:
        target: the preferred place along the horizontal axis, from 0 to 1; the middle of what is seen of the line if
            None.
        right: to the right of the line, which then is a steep one.
    """

    text: str
    points: Any
    target: float | None
    right: bool = False


@dataclass(frozen=True)
class _Line:
    """A multiple of ξ, drawn through some ``points`` of the curve (None for all)."""

    name: str
    factor: float
    colour: str
    dashes: Any
    points: Bool[np.ndarray, " points"] | None
    labels: list[_Words]


def _lines(agreement: Agreement) -> list[_Line]:
    """The fitted line, or one for each side of a critical point that has columns, and the paper's over them."""
    prediction, whole = agreement.prediction, slice(None)
    sides = _sides(prediction)
    kappas = agreement.kappa_by_regime()
    lines = []
    for i, (regime, side) in enumerate(sides.items()):
        if regime in kappas:
            words = _Words(f"fitted {kappas[regime]:.1f} ξ", side, None, right=i > 0)
            lines.append(_Line("fit", kappas[regime], styles.FITTED, "solid", side, [words]))
    if not sides and agreement.kappa is not None:
        words = _Words(f"fitted {agreement.kappa:.1f} ξ", whole, 0.3)
        lines.append(_Line("fit", agreement.kappa, styles.FITTED, "solid", None, [words]))
    paper = f"{prediction.factor:g} ξ"
    labels = [
        _Words(f"{paper}, {regime}", side, None, right=i > 0) for i, (regime, side) in enumerate(sides.items())
    ] or [_Words(paper, whole, 0.74)]
    return [*lines, _Line("theory", prediction.factor, styles.THEORY, (0, (4, 2.5)), None, labels)]


def _sides(prediction: Prediction) -> dict[str, Bool[np.ndarray, " points"]]:
    """The points of the curve in each regime, from left to right, if gradients vanish anywhere; a map on which all
    explode needs no words."""
    if not prediction.curve_x.size:
        return {}
    rate = prediction.curve_log_rate
    sides = {"exploding": rate > 0, "vanishing": rate < 0}
    if not sides["vanishing"].any():
        return {}
    present = [(regime, side) for regime, side in sides.items() if side.any()]
    return dict(sorted(present, key=lambda one: float(np.median(prediction.curve_x[one[1]]))))


def _draw_critical(ax: Axes, x: MapAxis, at: float, gid: str) -> None:
    line = ax.axvline(at, color=styles.THEORY, linestyle=(0, (1, 1.6)), path_effects=styles.halo(2.8), zorder=2.9)
    text = ax.annotate(
        f"critical {SYMBOLS.get(x.name, x.name)} = {at:.3g}",
        (at, _CRITICAL_TOP),
        xycoords=ax.get_xaxis_transform(),
        xytext=(-3, 0),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="top",
        **_writing(styles.THEORY),
    )
    if gid:
        line.set_gid(gid)
        text.set_gid(f"{gid}-label")


def _curve(x: MapAxis, prediction: Prediction) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """ξ as a line over the whole axis: the curve between columns, or one flat step per column with its centre."""
    if prediction.curve_x.size:
        return prediction.curve_x, np.minimum(prediction.curve_xi, FAR)
    steps = np.stack([x.edges[:-1], x.centres, x.edges[1:], x.edges[1:]], axis=1).ravel()
    values = np.repeat(np.minimum(prediction.xi, FAR), 4)
    values[3::4] = np.nan
    return steps, values


def _every(x: MapAxis) -> int:
    """Every how many-th column has a marker."""
    return -(-x.centres.size // MOST_MARKERS)


def _writing(colour: str) -> dict[str, Any]:
    return {
        "color": colour,
        "fontsize": "small",
        "fontweight": "bold",
        "path_effects": styles.halo(0.24 * matplotlib.rcParams["font.size"]),
        "zorder": 5,
    }


def _label(
    ax: Axes,
    path: Points,
    taken: Points,
    words: _Words,
    colour: str,
    *,
    above: bool,
) -> Text:
    """Writes the label on its line, clear of the frontier's markers; at the map's edge if the line is beyond it.

    Args:
        path, taken: the line and the markers, in data coordinates. above: of the line, else below.
    """
    label, target, right = words.text, words.target, words.right
    to_axes = ax.transData + ax.transAxes.inverted()
    points = _finer(to_axes.transform(np.nan_to_num(path, nan=-FAR)))
    markers = to_axes.transform(taken[np.isfinite(taken).all(axis=1)])
    within = ((points >= 0) & (points <= 1)).all(axis=1)
    roomy = within & (np.abs(points - 0.5) < (0.48, 0.42)).all(axis=1)
    inside = roomy if roomy.any() else within  # a line that keeps to the map's rim is on the map all the same
    if not inside.any():
        beyond = np.nanmedian(path[:, 1]) > ax.get_ylim()[1]
        words_there = f"{label} {'↑ deeper than the map' if beyond else '↓ shallower than the map'}"
        middle = float(np.median(points[:, 0])) if target is None else target
        left = not right if target is None else middle < 0.5
        place = (0.02 if left else 0.98, 0.94 if beyond else 0.06)  # clear of the triangles at the edge
        side, va = "left" if left else "right", "top" if beyond else "bottom"
        return ax.text(*place, words_there, transform=ax.transAxes, ha=side, va=va, **_writing(colour))
    candidates = points[inside][:: int(np.ceil(inside.sum() / MOST_PLACES))]
    half = 0.02 + 0.011 * len(label)
    if right and (fitting := candidates[candidates[:, 0] + 2 * half < 1]).size:
        candidates = fitting
    if target is None:
        target = float(np.median(candidates[:, 0]))
    apart = np.abs(candidates[:, None] + np.array([0, 0.04 if above else -0.04]) - markers[None])
    hidden = ((apart[..., 0] < half) & (apart[..., 1] < 0.055)).sum(axis=1)
    best = candidates[np.argmin(hidden + np.abs(candidates[:, 0] - target))]
    over = bool(best[1] < 0.92 if above else best[1] < 0.08)  # where there is room for the words
    return ax.annotate(
        label,
        best,
        xycoords="axes fraction",
        xytext=(7 if right and best[0] + 2 * half < 1 else 0, 5 if over else -5),
        textcoords="offset points",
        ha="right" if best[0] > 1 - half else "left" if right or best[0] < half else "center",
        va="bottom" if over else "top",
        **_writing(colour),
    )


def _finer(path: Points) -> Points:
    """The line with points between its own: a steep one may cross a map of one row between two of them."""
    at = np.arange(len(path))
    fine = np.linspace(0, len(path) - 1, FINER * (len(path) - 1) + 1)
    return np.column_stack([np.interp(fine, at, path[:, 0]), np.interp(fine, at, path[:, 1])])


def draw_frontier(ax: Axes, x: MapAxis, agreement: Agreement, ids: str = "") -> None:
    """The measured frontier as circles; triangles at the map's edge where it lies beyond. Of more than MOST_MARKERS
    columns every second, third … has one."""
    found = agreement.frontier
    options: dict[str, Any] = {
        "linestyle": "none",
        "markerfacecolor": styles.FRONTIER,
        "markeredgecolor": styles.RIM,
        "zorder": 4,
    }
    shown = np.arange(x.centres.size) % _every(x) == 0
    inside = np.isfinite(found.depth) & shown
    (line,) = ax.plot(x.centres[inside], found.depth[inside], marker="o", **options)
    edge = blended_transform_factory(ax.transData, ax.transAxes)
    artists = [line]
    for side, height, marker in (("right", 0.975, "^"), ("left", 0.025, "v")):
        at = x.centres[np.array([censored == side for censored in found.censored]) & shown]
        if at.size:
            artists += ax.plot(at, np.full(at.size, height), marker=marker, transform=edge, **options)
    if ids:
        for i, artist in enumerate(artists):
            artist.set_gid(f"{ids}-frontier-{i}")
