"""Two maps against each other, or one map against the theory of another activation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy import stats

from phasemap.sweeps.comparison.common_columns import on_common_columns
from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.sweeps.verdict.depth_scale import Agreement, assess
from phasemap.sweeps.verdict.frontier import Frontier, find
from phasemap.sweeps.verdict.kappa_interval import Interval, errors_of, interval_of
from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted

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
    def significant(self) -> bool:
        """Whether it differs from 1 beyond chance."""
        return self.interval is not None and not self.interval.low <= 1 <= self.interval.high

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:.2f} ({counted(self.columns, 'column')})"
        interval = f"{self.interval.low:.2f} to {self.interval.high:.2f}"
        return f"{self.value:.2f} ({interval}, {counted(self.columns, 'column')})"


@dataclass(frozen=True)
class Comparison:
    """Map A minus map B on the depths and columns that both have; their frontiers each on the map's own depths.

    Attributes:
        metric: the accuracy compared. a, b: the two maps, cut down to the depths and columns that both have.
        interpolated: whether B's columns are not its own but lie between them, linear on the axis's scale.
        difference: mean accuracy of A minus that of B, NaN where either was not run.
        frontier_a, frontier_b: per common column; None where the accuracy of either map's networks need not fall with
            depth.
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
            return _no_frontier(self.a, self.b)
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
        finding = "the difference is beyond chance" if self.shift.significant else "no difference can be told"
        level = self.shift.interval.level
        columns = counted(self.shift.columns, "column")
        return f"{mean}, {level:.0%} interval {low:.2f} to {high:.2f}, {columns}): {finding}."

    @property
    def alike(self) -> str:
        """Whether the two frontiers run alike, in words; "" where nothing can be said."""
        if self.pearson is None:
            return ""
        r, ends = self.pearson
        words = f"Their logarithms correlate by r = {r:.2f}"
        words += f" (95% interval {ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
        words += f", their ranks by {self.spearman:.2f}" if self.spearman is not None else ""
        return f"{words}; κ of A / κ of B = {self.kappa_ratio}." if self.kappa_ratio else f"{words}."


def _no_frontier(*maps: xr.Dataset) -> str:
    """Why there is none to compare."""
    without = next((theory for theory in map(theory_of, maps) if not theory.has_frontier), None)
    if without is None:
        return "The maps have no depth on their vertical axis, so there is no frontier to compare."
    return f"{without.networks.capitalize()} have no frontier to compare: their accuracy need not fall with depth."


def compare(a: xr.Dataset, b: xr.Dataset, metric: str = "test_accuracy") -> Comparison:
    """A against B. A map over batch_size, whose BN statistics are those of the batch, compares with one over
    statistics_batch_size: it is the same quantity to the theory.

    Raises:
        InputError: the maps have different axes, or no depth or column in common; the metric is no accuracy.
    """
    a, b, interpolated = on_common_columns(a, b, metric)
    y = a.attrs["y_axis"]
    common = np.intersect1d(a[y].values, b[y].values)
    if not common.size:
        raise InputError(f"compare: the maps have no {y} in common")
    cut = [one.sel({y: common}) for one in (a, b)]
    means = [seed_means(accuracies(one, metric))[0] for one in cut]
    difference = means[0] - means[1]
    theories = [theory_of(one) for one in (a, b)]
    if y != "depth" or not all(theory.has_frontier for theory in theories):
        return Comparison(metric, cut[0], cut[1], interpolated, difference, None, None)
    found = [find(one, metric) for one in (a, b)]
    depth = [one.depth for one in found]
    used = np.isfinite(depth[0]) & np.isfinite(depth[1])
    xi = [theory.prediction.xi for theory in theories]
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
        errors_of(one["depth"].values.astype(float), accuracies(one, metric), scale, used, one.attrs["chance"])
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
    other = theory_of(phase_map.assign_attrs(activation=activation)).prediction
    if not other.exists:
        raise InputError(f"compare: the theory of {activation!r} makes no prediction here: {other.reasons[0]}")
    return own, assess(phase_map, metric, prediction=other)
