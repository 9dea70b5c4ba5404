"""Two maps against each other, or one map against the theory of another activation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy import stats

from phasemap.sweeps.overlays import batchnorm as overlay
from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.sweeps.verdict.depth_scale import Agreement, assess
from phasemap.sweeps.verdict.frontier import Frontier, find
from phasemap.sweeps.verdict.kappa_interval import Interval, interval_of, sources
from phasemap.theory.errors import InputError

FEWEST_COMMON = 5
"""Common columns below which those of B are interpolated to A's, if that gives more."""
FEWEST_COLUMNS = 3
"""Of a correlation."""


@dataclass(frozen=True)
class Ratio:
    """Geometric mean over columns of a quantity of A by that of B, with its interval over seeds and columns (None with
    fewer than two columns)."""

    value: float
    interval: Interval | None
    columns: int

    @property
    def told(self) -> bool:
        """Whether it differs from 1 beyond chance."""
        return self.interval is not None and not self.interval.low <= 1 <= self.interval.high

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:.2f} ({self.columns} column)"
        return f"{self.value:.2f} ({self.interval.low:.2f} to {self.interval.high:.2f}, {self.columns} columns)"


@dataclass(frozen=True)
class Comparison:
    """Map A minus map B on the depths and columns that both have; their frontiers each on the map's own depths.

    Attributes:
        metric: the accuracy compared. a, b: the two maps, cut down to the depths and columns that both have.
        interpolated: whether B's columns are not its own but lie between them, linear on the axis's scale.
        difference: mean accuracy of A minus that of B, NaN where either was not run.
        frontier_a, frontier_b: per common column; None for residual networks, whose accuracy need not fall with depth.
        shift: frontier A / frontier B over the columns that have both inside the grid; None if there is none.
        kappa_ratio: κ of A / κ of B over those of them that have a ξ in both; the shift, where ξ is the same.
        layers: mean of frontier A - frontier B.
        pearson: of the logarithms of the frontiers, with its 95 % interval (Fisher's z; None with fewer than four
            columns). spearman: of the ranks, censored columns tied. None with fewer than three columns.
    """

    metric: str
    a: xr.Dataset
    b: xr.Dataset
    interpolated: bool
    difference: Float[np.ndarray, "depths columns"]
    frontier_a: Frontier | None
    frontier_b: Frontier | None
    shift: Ratio | None = None
    kappa_ratio: Ratio | None = None
    layers: float | None = None
    pearson: tuple[float, tuple[float, float] | None] | None = None
    spearman: float | None = None

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        if self.frontier_a is None:
            return "Residual networks have no frontier to compare: their accuracy need not fall with depth."
        if self.shift is None or self.layers is None:
            return "No column has both frontiers inside the common grid, so no shift can be given."
        direction = "deeper" if self.layers > 0 else "shallower"
        apart = f"{abs(self.layers):.1f}"
        mean = f"The frontier of A is {apart} layers {direction} than that of B"
        if apart == "0.0":
            mean = "The frontiers of A and B are less than 0.1 layers apart"
        mean += f" ({self.shift.value:.2f} times"
        if self.shift.interval is None:
            return f"{mean}, judged from a single column)."
        low, high = self.shift.interval.low, self.shift.interval.high
        told = "the difference is beyond chance" if self.shift.told else "no difference can be told"
        level = self.shift.interval.level
        return f"{mean}, {level:.0%} interval {low:.2f} to {high:.2f}, {self.shift.columns} columns): {told}."

    @property
    def alike(self) -> str:
        """Whether the two frontiers run alike, in words; "" where nothing can be said."""
        if self.pearson is None:
            return ""
        r, ends = self.pearson
        told = f"Their logarithms correlate by r = {r:.2f}"
        told += f" (95% interval {ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
        told += f", their ranks by {self.spearman:.2f}" if self.spearman is not None else ""
        return f"{told}; κ of A / κ of B = {self.kappa_ratio}." if self.kappa_ratio else f"{told}."


def compare(a: xr.Dataset, b: xr.Dataset, metric: str = "test_accuracy") -> Comparison:
    """A against B. A map over batch_size, whose BN statistics are those of the batch, compares with one over
    statistics_batch_size: it is the same quantity to the theory.

    Raises:
        InputError: the maps have different axes, or no depth or column in common; the metric is no accuracy.
    """
    a, b, interpolated = _on_common_columns(a, b, metric)
    y = a.attrs["y_axis"]
    common = np.intersect1d(a[y].values, b[y].values)
    if not common.size:
        raise InputError(f"compare: the maps have no {y} in common")
    cut = [one.sel({y: common}) for one in (a, b)]
    means = [seed_means(accuracies(one, metric))[0] for one in cut]
    difference = means[0] - means[1]
    if y != "depth" or "resnet" in (a.attrs.get("architecture"), b.attrs.get("architecture")):
        return Comparison(metric, cut[0], cut[1], interpolated, difference, None, None)
    found = [find(one, metric) for one in (a, b)]
    depth = [one.depth for one in found]
    used = np.isfinite(depth[0]) & np.isfinite(depth[1])
    xi = [overlay.predict(one).xi for one in (a, b)]
    predicted = used & np.isfinite(xi[0]) & np.isfinite(xi[1])
    even = [np.ones(used.size)] * 2
    return Comparison(
        metric,
        cut[0],
        cut[1],
        interpolated,
        difference,
        found[0],
        found[1],
        shift=_ratio(a, b, metric, depth, even, used),
        kappa_ratio=_ratio(a, b, metric, depth, xi, predicted),
        layers=float(np.mean((depth[0] - depth[1])[used])) if used.any() else None,
        pearson=_pearson(*(np.log(one[used]) for one in depth)),
        spearman=_spearman(*found),
    )


def _on_common_columns(a: xr.Dataset, b: xr.Dataset, metric: str) -> tuple[xr.Dataset, xr.Dataset, bool]:
    """(A, B, whether B's columns were interpolated), with the same columns. Raises InputError."""
    if a.attrs["x_axis"] != b.attrs["x_axis"]:
        a, b = _over_statistics(a), _over_statistics(b)
    axes = [(one.attrs["y_axis"], one.attrs["x_axis"]) for one in (a, b)]
    if axes[0] != axes[1]:
        raise InputError(f"compare: the maps have different axes: {' over '.join(axes[0])}, {' over '.join(axes[1])}")
    x = axes[0][1]
    columns, common = a[x].values, np.intersect1d(a[x].values, b[x].values)
    others = common.size < b.sizes[x]  # B's gaps are filled from columns of its own that A does not have
    if common.size < FEWEST_COMMON and others and b.sizes[x] > 1 and np.issubdtype(columns.dtype, np.number):
        within = columns[(columns >= b[x].values.min()) & (columns <= b[x].values.max())]
        if within.size > common.size:
            return a.sel({x: within}), _between(b, within, metric), True
    if not common.size:
        raise InputError(f"compare: the maps have no {x} in common")
    return a.sel({x: common}), b.sel({x: common}), False


def _over_statistics(phase_map: xr.Dataset) -> xr.Dataset:
    """A map over batch_size as one over statistics_batch_size, if that varies with it."""
    other = "statistics_batch_size"
    if phase_map.attrs["x_axis"] != "batch_size" or other not in phase_map.coords:
        return phase_map
    return phase_map.swap_dims({"batch_size": other}).assign_attrs(x_axis=other)


def _between(phase_map: xr.Dataset, columns: np.ndarray, metric: str) -> xr.Dataset:
    """The map's accuracy, cell by cell and seed by seed, at columns between its own: linear on the axis's scale."""
    x = phase_map.attrs["x_axis"]
    own, asked = phase_map[x].values.astype(float), columns.astype(float)
    if phase_map.attrs["x_scale"] == "log" and own.min() > 0:
        own, asked = np.log(own), np.log(asked)
    accuracy = accuracies(phase_map, metric)
    right = np.clip(np.searchsorted(own, asked), 1, own.size - 1)
    part = ((asked - own[right - 1]) / (own[right] - own[right - 1]))[None, :, None]
    # a column that is the map's own takes nothing from its neighbour, which may be missing
    low, high = (np.where(share == 0, 0.0, accuracy[:, at]) for share, at in ((1 - part, right - 1), (part, right)))
    values = (1 - part) * low + part * high
    dims = (phase_map.attrs["y_axis"], x, "seed")
    outcome = np.where(np.isfinite(values), "finished", "missing")
    there = phase_map.isel({x: right}).drop_vars(list(phase_map.data_vars))
    linked = [str(n) for n in phase_map.coords if np.array_equal(phase_map[n].values, phase_map[x].values)]
    there = there.assign_coords(dict.fromkeys((x, *linked), (x, columns)))
    return there.assign({metric: (dims, values), "outcome": (dims, outcome)})


def _ratio(
    a: xr.Dataset,
    b: xr.Dataset,
    metric: str,
    depth: list[Float[np.ndarray, " columns"]],
    xi: list[Float[np.ndarray, " columns"]],
    used: Bool[np.ndarray, " columns"],
) -> Ratio | None:
    """Of (frontier/ξ) in A and B. The errors of both maps add up; what scatters over columns in both alike cancels."""
    n = int(used.sum())
    if not n:
        return None
    logs = [np.log(one[used] / scale[used]) for one, scale in zip(depth, xi, strict=True)]
    log_ratio = float(np.mean(logs[0] - logs[1]))
    if n < 2:
        return Ratio(float(np.exp(log_ratio)), None, n)
    both = [
        sources(one["depth"].values.astype(float), accuracies(one, metric), scale, used, one.attrs["chance"])
        for one, scale in zip((a, b), xi, strict=True)
    ]
    interval = None
    if both[0] is not None and both[1] is not None:
        interval = interval_of([both[0], both[1]], both[0].ratio - both[1].ratio, log_ratio)
    return Ratio(float(np.exp(log_ratio)), interval, n)


def _pearson(
    one: Float[np.ndarray, " columns"], other: Float[np.ndarray, " columns"]
) -> tuple[float, tuple[float, float] | None] | None:
    if one.size < FEWEST_COLUMNS or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    found = stats.pearsonr(one, other)
    if one.size < 4:  # Fisher's z has the variance 1/(n - 3)
        return float(found.statistic), None
    ends = found.confidence_interval(0.95)
    return float(found.statistic), (float(ends.low), float(ends.high))


def _spearman(one: Frontier, other: Frontier) -> float | None:
    beyond = {"left": -np.inf, "right": np.inf, "missing": np.nan}
    depth = [np.array([beyond.get(c, d) for c, d in zip(f.censored, f.depth, strict=True)]) for f in (one, other)]
    both = ~np.isnan(depth[0]) & ~np.isnan(depth[1])
    ranks = [stats.rankdata(values[both]) for values in depth]
    if both.sum() < FEWEST_COLUMNS or np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return None
    return float(stats.pearsonr(*ranks).statistic)


def against_theory(
    phase_map: xr.Dataset, activation: str, metric: str = "test_accuracy"
) -> tuple[Agreement, Agreement]:
    """The map's agreement with the theory of its own activation, and with that of another.

    Raises:
        InputError: unknown activation, or activations are the map's x axis.
    """
    if phase_map.attrs["x_axis"] == "activation":
        raise InputError(
            "compare: the map's x axis is the activation; the theory of another one cannot be laid over it"
        )
    own = assess(phase_map, metric)
    other = overlay.predict(phase_map.assign_attrs(activation=activation))
    if not other.exists:
        raise InputError(f"compare: the theory of {activation!r} makes no prediction here: {other.reasons[0]}")
    return own, assess(phase_map, metric, prediction=other)
