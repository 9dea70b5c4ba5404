"""How well map and theory agree: κ with its interval, Spearman's ρ, the spread over columns, and a plain sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import stats

from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.overlays.prediction import Prediction
from phasemap.sweeps.phase_map.accuracies import accuracies
from phasemap.sweeps.verdict import frontier as frontiers
from phasemap.sweeps.verdict.frontier import Frontier
from phasemap.sweeps.verdict.kappa_interval import Interval, kappa_interval
from phasemap.theory.plural import counted

SAME = 1e-9
"""Relative difference of two ξ below which they are equal."""


@dataclass(frozen=True)
class Agreement:
    """Frontier against ξ, for one metric of one map.

    κ is conditional on: the data set and the sizes of its subsets, Σ lr, the optimizer, the metric, and the columns
    whose frontier lies within the grid's depths. A column is *used* if it is uncensored and has a finite ξ.

    Attributes:
        metric: the accuracy that the frontier belongs to. frontier, prediction: per column.
        ratio: frontier/ξ; NaN in columns that are not used.
        constant: whether ξ is the same in all of several columns: nothing for the frontier to follow. There is no κ
            then, but the range of ``ratio`` (``multiples``).
        kappa: geometric mean of ``ratio``; None if no column is used, or ξ is constant.
        interval: of κ, over seeds and columns (``kappa_interval``); None with fewer than two used columns.
        spread: standard deviation of ln(frontier/ξ) over the used columns; None with fewer than two.
        rho: Spearman's rank correlation between frontier and ξ, censored columns tied (left below, right above all);
            None with fewer than three columns, or if either side is constant. Any curve that rises with ξ has the same.
        rho_of_axis: that of the frontier and the swept parameter itself, over the same columns; None as well where that
            is not a number.
        used, censored_left, censored_right, missing, unpredicted: numbers of columns. A censored column without ξ
            counts in both.
        seeds: length of the seed axis.
        conditions: what κ is conditional on, in words.
        notes: why a number does not exist, and what to know when reading the others.
    """

    metric: str
    frontier: Frontier
    prediction: Prediction
    ratio: Float[np.ndarray, " columns"]
    constant: bool
    kappa: float | None
    interval: Interval | None
    spread: float | None
    rho: float | None
    rho_of_axis: float | None
    used: int
    censored_left: int
    censored_right: int
    missing: int
    unpredicted: int
    seeds: int
    conditions: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        kappa = "no κ" if self.kappa is None else f"κ {self.kappa:.3g}"
        kappa += f" ({self.interval.low:.3g} to {self.interval.high:.3g})" if self.interval else ""
        return f"Agreement({self.metric}: {kappa}, {self.used} of {len(self.ratio)} columns)"

    def by_regime(self) -> dict[str, Float[np.ndarray, " used"]]:
        """frontier/ξ of the used columns where gradients are ``exploding``, and where they are ``vanishing``."""
        regime, used = np.array(self.prediction.regime), np.isfinite(self.ratio)
        return {name: self.ratio[used & (regime == name)] for name in ("exploding", "vanishing")}

    @property
    def multiples(self) -> tuple[float, float] | None:
        """The lowest and the highest frontier/ξ; None if no column is used."""
        return (float(np.nanmin(self.ratio)), float(np.nanmax(self.ratio))) if self.used else None

    def kappa_by_regime(self) -> dict[str, float]:
        """κ of each side of a critical point that has used columns. One multiple of ξ need not do for both: nothing
        says that a vanishing signal is borne as far as an exploding gradient."""
        sides = {} if self.constant else self.by_regime()
        return {name: float(stats.gmean(ratio)) for name, ratio in sides.items() if ratio.size}

    @property
    def verdict(self) -> str:
        """One sentence for a reader who knows nothing of κ."""
        return _verdict(self)


def assess(phase_map: xr.Dataset, metric: str = "test_accuracy", *, prediction: Prediction | None = None) -> Agreement:
    """Frontier and ξ of every column, and the numbers that compare them.

    Args:
        prediction: of this map; that of its own theory if not given.

    Raises:
        InputError: the metric is no accuracy, or the map's y axis is not depth.
    """
    x_axis = str(phase_map.attrs["x_axis"])
    found = frontiers.find(phase_map, metric)
    predicted = theory_of(phase_map).prediction if prediction is None else prediction
    used = np.isfinite(found.depth) & np.isfinite(predicted.xi)
    ratio = np.where(used, found.depth / np.where(used, predicted.xi, 1.0), np.nan)
    log_ratio = np.log(ratio[used])
    n = int(used.sum())
    constant = _constant(predicted.xi)
    notes: list[str] = []
    if np.isnan(found.threshold) and np.isfinite(found.best):
        notes.append(
            f"nothing trained: the map's best accuracy, {found.best:.2f}, is close to chance, {found.chance:.2f}"
        )
    interval = None
    if constant:
        notes.append(f"ξ is the same in every column, so there is no κ: frontier/ξ changes with {x_axis}, not with ξ")
    elif n >= 2:
        interval = kappa_interval(
            phase_map["depth"].values.astype(float),
            accuracies(phase_map, metric),
            predicted.xi,
            used,
            found.chance,
            float(log_ratio.mean()),
        )
    else:
        few = counted(n, "column")
        notes.append(f"κ has no interval: {few} with a frontier inside the grid and a prediction, 2 needed")
    seeds = phase_map.sizes["seed"]
    if interval is not None and seeds == 1:
        notes.append("one seed: the interval holds the scatter over columns, not what all columns owe to the seed")
    infinite = int(np.isinf(predicted.xi).sum())
    if infinite:
        notes.append(f"{counted(infinite, 'column')} at a critical point, where ξ is infinite: left out of κ")
    rho, reason = _spearman(found, predicted.xi)
    notes += [reason] if reason else []
    swept = phase_map[x_axis].values
    rho_of_axis = None
    if np.issubdtype(swept.dtype, np.number):
        rho_of_axis, _ = _spearman(found, np.where(np.isnan(predicted.xi), np.nan, swept.astype(float)))
    return Agreement(
        metric=metric,
        frontier=found,
        prediction=predicted,
        ratio=ratio,
        constant=constant,
        kappa=float(np.exp(log_ratio.mean())) if n and not constant else None,
        interval=interval,
        spread=float(log_ratio.std(ddof=1)) if n >= 2 and not constant else None,
        rho=rho,
        rho_of_axis=rho_of_axis,
        used=n,
        censored_left=found.censored.count("left"),
        censored_right=found.censored.count("right"),
        missing=found.censored.count("missing"),
        unpredicted=int(np.isnan(predicted.xi).sum()),
        seeds=seeds,
        conditions=_conditions(phase_map, metric),
        notes=tuple(notes),
    )


def _constant(xi: Float[np.ndarray, " columns"]) -> bool:
    """Whether several columns have the same finite ξ, and none another."""
    known = xi[~np.isnan(xi)]
    return known.size > 1 and bool(np.isfinite(known).all() and np.ptp(known) <= SAME * known.max())


def _spearman(found: Frontier, xi: Float[np.ndarray, " columns"]) -> tuple[float | None, str]:
    """(ρ, reason why there is none)."""
    beyond = {"left": -np.inf, "right": np.inf, "missing": np.nan}
    frontier = np.array([beyond.get(c, depth) for c, depth in zip(found.censored, found.depth, strict=True)])
    both = ~np.isnan(frontier) & ~np.isnan(xi)
    if both.sum() < 3:
        return None, f"ρ needs 3 columns with frontier and prediction; there are {int(both.sum())}"
    ranks = stats.rankdata(frontier[both]), stats.rankdata(xi[both])
    if any(np.ptp(one) == 0 for one in ranks):
        which = "frontier" if np.ptp(ranks[0]) == 0 else "ξ"
        return None, f"ρ does not exist: {which} is the same in every column"
    return float(np.corrcoef(*ranks)[0, 1]), ""


def _conditions(phase_map: xr.Dataset, metric: str) -> str:
    attributes = phase_map.attrs
    parts = [attributes["data"] or "no data", f"Σ lr {sum_lr_in_words(phase_map)}"]
    parts += [str(attributes["optimizer"])] if "optimizer" in attributes else []
    parts += [metric.replace("_", " "), "columns whose frontier lies inside the grid"]
    return "; ".join(parts)


def sum_lr_in_words(phase_map: xr.Dataset) -> str:
    """``6``, or ``5.9 to 6`` where it differs between cells."""
    if "sum_lr" not in phase_map.attrs:
        return "unknown"
    low, high = (f"{phase_map.attrs[name]:.3g}" for name in ("sum_lr_min", "sum_lr_max"))
    return low if low == high else f"{low} to {high}"


def _verdict(agreement: Agreement) -> str:
    found, factor = agreement.frontier, agreement.prediction.factor
    if len(set(found.censored)) == 1 and found.censored[0]:
        if np.isnan(found.threshold) and found.censored[0] == "left":
            return "Nothing trains anywhere on this map, so there is no frontier to compare with the theory."
        return {
            "missing": "No cell of this map was run yet.",
            "left": "Every column fails at the shallowest depth of this map; shallower networks would show a frontier.",
            "right": "Every column trains at every depth of this map; deeper networks would show the frontier.",
        }[found.censored[0]]
    if agreement.constant and agreement.multiples:
        same = f"ξ is the same in every column, {float(np.nanmax(agreement.prediction.xi)):.1f} layers"
        return f"{same}, and the frontier lies at {_range(agreement)} ξ; the paper says {factor:g}."
    if agreement.kappa is None:
        if not agreement.prediction.exists:
            reason = next((reason for reason in agreement.prediction.reasons if reason), "")
            return f"The map has a frontier, but the theory makes no prediction here: {reason}."
        return "No column has both a frontier inside the grid and a prediction, so κ cannot be given."
    if agreement.interval is None:
        return f"Trainable up to {agreement.kappa:.1f} ξ, judged from a single column; the paper says {factor:g}."
    if len(sides := agreement.kappa_by_regime()) > 1:
        counts = {name: ratio.size for name, ratio in agreement.by_regime().items()}
        parts = [
            f"{kappa:.1f} ξ on the {name} side ({counted(counts[name], 'column')})" for name, kappa in sides.items()
        ]
        return f"Trainable up to {' and '.join(parts)}; the paper says {factor:g}. {_follows(agreement)}"
    low, high = agreement.interval.low, agreement.interval.high
    where = "within" if low <= factor <= high else "above" if high < factor else "below"
    return (
        f"Trainable up to {agreement.kappa:.1f} ξ ({agreement.interval.level:.0%} interval {low:.1f} to {high:.1f}, "
        f"{counted(agreement.used, 'column')}); the paper says {factor:g}, {where} the interval. {_follows(agreement)}"
    )


def _follows(agreement: Agreement) -> str:
    rho = agreement.rho
    if rho is None:
        return "Whether the frontier follows the theory from column to column cannot be said."
    words = {"follows": rho >= 0.8, "roughly follows": rho >= 0.5, "hardly follows": rho > -0.5, "runs against": True}
    strength = next(each for each, holds in words.items() if holds)
    alone = "" if agreement.rho_of_axis is None else f"; {agreement.rho_of_axis:.2f} of the swept parameter itself"
    correlation = f"Spearman ρ = {rho:.2f}{alone}"
    return f"From column to column the frontier {strength} the theory ({correlation}), at {_range(agreement)} ξ."


def _range(agreement: Agreement) -> str:
    """The multiples: ``5.5``, or ``5.4 to 5.6`` where the ends differ as they are written."""
    return " to ".join(dict.fromkeys(f"{end:.1f}" for end in agreement.multiples or ()))
