"""Which depth scale decides how deep networks train: the one by which frontier/scale is the same in every column.

Any curve that rises as the frontier does has a rank correlation of 1 with it, the swept parameter too. What tells
scales apart is the standard deviation over columns of ln(frontier/scale). The theory's scales are judged beside what
needs no theory: the same depth everywhere, the swept parameter x (or 1/x, whichever is better), and a power of x with a
fitted exponent, whose standard deviation is that of a regression's residuals, with a degree of freedom less.

A bootstrap over columns draws some of them twice, which makes the standard deviation small and its intervals cover far
too rarely with ten columns or fewer. So columns are jackknifed: the logarithm of the standard deviation has
pseudo-values, whose mean is free of its bias to first order, and whose scatter is that of an interval in t. To it is
added, as for κ (``kappa_interval``), what seeds do to all columns alike, by a bootstrap over seeds, and the threshold's
error. The ratio to the theory's own scale is of the same columns and seeds: pseudo-values and influences are
subtracted. Coverage is tested on maps with known frontiers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from phasemap.sweeps.overlays.map_theory import MapTheory
from phasemap.sweeps.phase_map.accuracies import accuracies
from phasemap.sweeps.phase_map.axes import in_words
from phasemap.sweeps.verdict.frontier import find
from phasemap.sweeps.verdict.kappa_interval import Interval, Movements, interval_of, movements
from phasemap.theory.plural import counted

FEWEST = 3
"""Columns of a standard deviation."""
FEWEST_FOR_INTERVAL = 5
"""Columns from which intervals cover as often as they say (the tests count)."""
EXACT = 1e-9
"""A standard deviation below this is rounding, and has no logarithm worth an interval."""


@dataclass(frozen=True)
class Scale:
    """How well one scale collapses the frontiers.

    Attributes:
        name: the scale. predicted: whether it is the theory's. fitted: parameters fitted to the frontiers, beside the
            factor that every scale has.
        factor: geometric mean of frontier/scale: κ, if the scale is ξ.
        spread: standard deviation of ln(frontier/scale). interval: of it, 95 %.
        ratio: ``spread`` by that of the theory's own scale, which comes first; ratio_interval: of it, 95 %. None where
            they do not exist: fewer than five columns, or an exact collapse.
    """

    name: str
    predicted: bool
    fitted: int
    factor: float
    spread: float
    interval: Interval | None
    ratio: float | None
    ratio_interval: Interval | None


@dataclass(frozen=True)
class Collapse:
    """The scales on one side of a critical point, or on a map that has one side only.

    Attributes:
        side: ``exploding`` or ``vanishing`` gradients.
        scales: the best collapse first; empty with fewer than three columns.
        own: the theory's own scale, with which the others are compared.
        columns: those that all are judged on: with a frontier within the grid and a value of every scale. of: all
            columns of this side.
        noise: standard deviation that a perfect scale would have, from the seeds; None if not known.
        left_out: scales of the theory with no value on most columns.
    """

    side: str
    scales: tuple[Scale, ...]
    own: str
    columns: int
    of: int
    noise: float | None
    left_out: tuple[str, ...]

    @property
    def best(self) -> Scale | None:
        """The theory's scale with the smallest spread."""
        return next((one for one in self.scales if one.predicted), None)

    @property
    def sentence(self) -> str:
        """Which of the theory's scales is the best, and whether a baseline is better; "" without any."""
        best = self.best
        if best is None:
            return ""
        others = [one for one in self.scales if one.predicted and one is not best]
        beside = next((one for one in others if one.name == self.own), others[0] if others else None)
        said = f"ln(frontier/{best.name}) scatters"
        if others:
            said = f"{best.name} collapses the frontiers best of the theory's scales: ln(frontier/scale) scatters"
        said += f" by {best.spread:.3f} over {counted(self.columns, 'column')}"
        if beside:
            said += _told_apart(best, beside)
        better = [one for one in self.scales if not one.predicted and one.spread < best.spread]
        words = [f"{one.name}{' (fitted)' * one.fitted} scatters by {one.spread:.3f}" for one in better]
        return f"{said}. " + (
            f"Without theory, {', '.join(words)}." if words else "Nothing without theory does better."
        )


def _told_apart(best: Scale, beside: Scale) -> str:
    """The other scale, and whether the two differ; one is the theory's own, and the other's ratio is to it."""
    if beside.spread - best.spread < EXACT:
        return f", and as much with {beside.name}"
    both = [one.ratio_interval for one in (best, beside)]
    found = "the columns are too few to tell them apart"
    if both[0] is not None and both[1] is not None:
        found = f"the difference {'is beyond' if both[0].high < 1 or both[1].low > 1 else 'may be'} chance"
    return f", by {beside.spread:.3f} with {beside.name}, and {found}"


def which_scale(phase_map: xr.Dataset, theory: MapTheory, metric: str = "test_accuracy") -> list[Collapse]:
    """The theory's scales and what needs no theory, ranked; each side of a critical point apart.

    Empty where the theory predicts no depth scale.

    Raises:
        InputError: the metric is no accuracy, or the map's y axis is not depth.
    """
    predicted = theory.prediction
    regime = np.array(predicted.regime)
    sides = [side for side in ("exploding", "vanishing") if (regime == side).any()]
    return [_on_side(phase_map, theory, metric, regime == side, side) for side in sides]


def _on_side(
    phase_map: xr.Dataset, theory: MapTheory, metric: str, columns: Bool[np.ndarray, " columns"], side: str
) -> Collapse:
    frontier = find(phase_map, metric).depth
    scales = theory.scales or {"ξ": theory.prediction.xi}
    own = next(iter(scales))
    used = columns & np.isfinite(frontier) & np.isfinite(scales[own])
    missing = tuple(name for name, scale in scales.items() if 2 * np.isfinite(scale[used]).sum() < used.sum())
    kept = {name: scale for name, scale in scales.items() if name not in missing}
    used &= np.all([np.isfinite(scale) for scale in kept.values()], axis=0)
    if (n := int(used.sum())) < FEWEST:
        return Collapse(side, (), own, n, int(columns.sum()), None, missing)
    log_frontier = np.log(frontier[used])
    fits = [_Fit(name, True, log_frontier - np.log(scale[used])) for name, scale in kept.items()]
    fits += _without_theory(phase_map, log_frontier, used)
    depths, accuracy = phase_map["depth"].values.astype(float), accuracies(phase_map, metric)
    moved = movements(depths, accuracy, np.ones(frontier.size), used, float(phase_map.attrs["chance"]))
    ranked = sorted((_scale(fit, fits[0], moved) for fit in fits), key=lambda one: round(one.spread, 9))
    return Collapse(side, tuple(ranked), own, n, int(columns.sum()), moved.noise if moved else None, missing)


@dataclass(frozen=True)
class _Fit:
    """ln(frontier/scale) of the used columns; with ``along``, less a multiple of it that is fitted."""

    name: str
    predicted: bool
    log_ratio: Float[np.ndarray, " used"]
    along: Float[np.ndarray, " used"] | None = None

    @property
    def fitted(self) -> int:
        """Numbers fitted beside the mean."""
        return int(self.along is not None)

    @property
    def slope(self) -> float:
        """The fitted multiple; 0 where none is."""
        if self.along is None:
            return 0.0
        x = self.along - self.along.mean()
        return float(x @ self.log_ratio / (x @ x))

    @property
    def residuals(self) -> Float[np.ndarray, " used"]:
        """What the mean and the fitted multiple leave."""
        left = self.log_ratio if self.along is None else self.log_ratio - self.slope * self.along
        return left - left.mean()

    @property
    def log_spread(self) -> float:
        """Logarithm of the residuals' standard deviation, their degrees of freedom counted."""
        left = self.residuals
        spread = np.sqrt(left @ left / (left.size - 1 - self.fitted))
        return float(np.log(spread)) if spread > EXACT else -np.inf

    @property
    def pseudo_values(self) -> Float[np.ndarray, " used"]:
        """Of the jackknife over columns of ``log_spread``."""
        n = self.log_ratio.size
        return np.array([n * self.log_spread - (n - 1) * self.without(i).log_spread for i in range(n)])

    def without(self, column: int) -> _Fit:
        """The other columns."""
        along = None if self.along is None else np.delete(self.along, column)
        return replace(self, log_ratio=np.delete(self.log_ratio, column), along=along)

    @property
    def influence(self) -> Float[np.ndarray, " used"]:
        """The derivative of ``log_spread`` by each column's ln(frontier)."""
        return self.residuals / (self.residuals @ self.residuals)


def _without_theory(
    phase_map: xr.Dataset, log_frontier: Float[np.ndarray, " used"], used: Bool[np.ndarray, " columns"]
) -> list[_Fit]:
    """The same depth everywhere; on an axis of numbers x or 1/x and x^a, or exp(a·x) where an x is not positive."""
    fits = [_Fit("one depth for all", False, log_frontier)]
    axis = str(phase_map.attrs["x_axis"])
    values, name = phase_map[axis].values[used], in_words(axis)
    if not np.issubdtype(values.dtype, np.number):
        return fits
    along = values.astype(float)
    if positive := along.min() > 0:
        along = np.log(along)
        direct = (_Fit(name, False, log_frontier - along), _Fit(f"1/({name})", False, log_frontier + along))
        fits.append(min(direct, key=lambda one: one.log_spread))
    slope = _Fit("", False, log_frontier, along).slope
    power = f"({name})^{slope:.2f}" if positive else f"exp({slope:.2f}·({name}))"
    return [*fits, _Fit(power, False, log_frontier, along)]


def _scale(fit: _Fit, own: _Fit, moved: Movements | None) -> Scale:
    spread, reference = float(np.exp(fit.log_spread)), float(np.exp(own.log_spread))
    interval = ratio_interval = None
    if moved and fit.log_ratio.size >= FEWEST_FOR_INTERVAL and min(spread, reference) > 0:
        of_fit, of_own = fit.pseudo_values, own.pseudo_values
        if np.isfinite(of_fit).all() and np.isfinite(of_own).all():
            interval = interval_of([moved.errors(fit.influence)], of_fit, fit.log_spread)
            difference = moved.errors(fit.influence - own.influence)
            ratio_interval = interval_of([difference], of_fit - of_own, fit.log_spread - own.log_spread)
    along = 0.0 if fit.along is None else fit.along
    factor = float(np.exp(np.mean(fit.log_ratio - fit.slope * along)))
    ratio = spread / reference if reference > 0 else None
    return Scale(fit.name, fit.predicted, fit.fitted, factor, spread, interval, ratio, ratio_interval)
