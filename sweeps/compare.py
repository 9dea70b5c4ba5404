"""Two maps against each other, or one map against the theory of another activation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from sweeps import overlay
from sweeps.agreement import Agreement, assess
from sweeps.frontier import Frontier, accuracies, find, seed_means
from sweeps.interval import Interval, interval_of, sources
from theory.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """Map A minus map B on the depths and columns that both have.

    Attributes:
        metric: the accuracy compared. a, b: the two maps, cut down to what both have.
        difference: mean accuracy of A minus that of B, NaN where either was not run.
        frontier_a, frontier_b: per common column.
        used: numbers of columns with both frontiers inside the grid.
        shift: geometric mean of frontier A / frontier B over them; None if there is none.
        interval: of the shift, over seeds and columns; None with fewer than two.
        layers: mean of frontier A - frontier B.
    """

    metric: str
    a: xr.Dataset
    b: xr.Dataset
    difference: Float[np.ndarray, "depths columns"]
    frontier_a: Frontier
    frontier_b: Frontier
    used: int
    shift: float | None
    interval: Interval | None
    layers: float | None

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        if self.shift is None or self.layers is None:
            return "No column has both frontiers inside the common grid, so no shift can be given."
        direction = "deeper" if self.layers > 0 else "shallower"
        mean = f"The frontier of A is {abs(self.layers):.1f} layers {direction} than that of B ({self.shift:.2f} times"
        if self.interval is None:
            return f"{mean}, judged from a single column)."
        low, high = self.interval.low, self.interval.high
        told = "no difference can be told" if low <= 1 <= high else "the difference is beyond chance"
        return f"{mean}, {self.interval.level:.0%} interval {low:.2f} to {high:.2f}, {self.used} columns): {told}."


def compare(a: xr.Dataset, b: xr.Dataset, metric: str = "test_accuracy") -> Comparison:
    """A against B.

    Raises:
        InputError: the maps have different axes, or no depth or column in common; the metric is no accuracy.
    """
    axes = [(one.attrs["y_axis"], one.attrs["x_axis"]) for one in (a, b)]
    if axes[0] != axes[1]:
        raise InputError(f"compare: the maps have different axes: {' over '.join(axes[0])}, {' over '.join(axes[1])}")
    common = {axis: np.intersect1d(a[axis].values, b[axis].values) for axis in axes[0]}
    empty = [axis for axis, values in common.items() if not values.size]
    if empty:
        raise InputError(*(f"compare: the maps have no {axis} in common" for axis in empty))
    a, b = a.sel(common), b.sel(common)
    means = [seed_means(accuracies(one, metric))[0] for one in (a, b)]
    found = [find(one, metric) for one in (a, b)]
    used = np.isfinite(found[0].depth) & np.isfinite(found[1].depth)
    n = int(used.sum())
    log_shift = float(np.mean(np.log(found[0].depth[used] / found[1].depth[used]))) if n else None
    return Comparison(
        metric=metric,
        a=a,
        b=b,
        difference=means[0] - means[1],
        frontier_a=found[0],
        frontier_b=found[1],
        used=n,
        shift=None if log_shift is None else float(np.exp(log_shift)),
        interval=None if log_shift is None or n < 2 else _interval(a, b, metric, used, log_shift),
        layers=float(np.mean((found[0].depth - found[1].depth)[used])) if n else None,
    )


def _interval(a: xr.Dataset, b: xr.Dataset, metric: str, used: np.ndarray, log_shift: float) -> Interval | None:
    """Both maps' errors; ξ cancels, so 1 stands for it."""
    both = [
        sources(
            one["depth"].values.astype(float), accuracies(one, metric), np.ones(used.size), used, one.attrs["chance"]
        )
        for one in (a, b)
    ]
    if both[0] is None or both[1] is None:
        return None
    return interval_of([both[0], both[1]], both[0].ratio - both[1].ratio, log_shift)


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
