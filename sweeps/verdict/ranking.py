"""Which quantity predicts the accuracy? A monotone function of each, scored on columns and depths it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.sweeps.verdict.monotone import best_fit, fit

DRAWS = 2000
MINIMUM_BLOCKS = 3
MOST_FOLDS = 40


@dataclass(frozen=True)
class Score:
    """Out-of-fold R² with its 95 % interval over the held-out blocks.

    R² = 1 - Σ(y - ŷ)²/Σ(y - ȳ)², ŷ and the mean ȳ both from the cells outside the block: 0 is as good as the mean, and
    a quantity that misleads is negative.

    Attributes:
        missed, spread: the two sums of squares, block by block.
    """

    r2: float
    low: float
    high: float
    missed: tuple[float, ...]
    spread: tuple[float, ...]

    def lead(self, other: Score) -> tuple[float, float]:
        """95 % interval of this R² minus that of another quantity on the same cells, the same blocks drawn for both."""
        differences = _resampled(self) - _resampled(other)
        low, high = np.quantile(differences[np.isfinite(differences)], [0.025, 0.975])
        return float(low), float(high)


@dataclass(frozen=True)
class Ranked:
    """One quantity.

    Attributes:
        name: the quantity. baseline: whether it is one of the axes alone.
        direction: ``rises`` or ``falls``: how accuracy goes with the quantity over the whole map.
        columns, depths: scores with whole columns, whole depths held out; None with fewer than three blocks.
        cells: how many cells they rest on.
    """

    name: str
    baseline: bool
    direction: str
    columns: Score | None
    depths: Score | None
    cells: int


def rank(
    phase_map: xr.Dataset,
    quantities: Mapping[str, Float[np.ndarray, "depths columns"]],
    metric: str = "test_accuracy",
    *,
    region: Bool[np.ndarray, "depths columns"] | None = None,
) -> list[Ranked]:
    """Quantities and the baselines depth alone and x axis alone, the best first (by columns held out, then by depths).

    Only the order of a quantity's values matters, so logarithms change nothing; infinities are fine, NaN leaves a cell
    out. All are scored on the same cells: those run, and with a value of every quantity.

    Args:
        quantities: predicted values by name. region: which cells count; all if not given.

    Raises:
        InputError: the metric is no accuracy.
    """
    mean, count = seed_means(accuracies(phase_map, metric))
    y, x = (phase_map[phase_map.attrs[axis]].values for axis in ("y_axis", "x_axis"))
    baselines = {}
    for name, values, shape in ((phase_map.attrs["y_axis"], y, (-1, 1)), (phase_map.attrs["x_axis"], x, (1, -1))):
        if np.issubdtype(values.dtype, np.number):
            baselines[f"{name} alone"] = np.broadcast_to(values.astype(float).reshape(shape), mean.shape)
    usable = (count > 0) if region is None else (count > 0) & region
    for values in quantities.values():
        usable &= ~np.isnan(values)
    where = np.nonzero(usable)
    ranked = [
        _ranked(name, values[where], mean[where], where, baseline=name in baselines)
        for name, values in {**quantities, **baselines}.items()
    ]
    return sorted(ranked, key=lambda one: tuple(-np.inf if s is None else s.r2 for s in (one.columns, one.depths)))[
        ::-1
    ]


def overall(ranked: Ranked) -> float | None:
    """The mean R² of unseen columns and unseen depths, of those that exist."""
    scores = [score.r2 for score in (ranked.columns, ranked.depths) if score is not None]
    return float(np.mean(scores)) if scores else None


def by_overall(ranked: list[Ranked]) -> list[Ranked]:
    """The best mean R² first; what has no score is left out."""
    scored = [(value, one) for one in ranked if (value := overall(one)) is not None]
    return [one for _, one in sorted(scored, key=lambda pair: -pair[0])]


def _ranked(
    name: str,
    quantity: Float[np.ndarray, " cells"],
    accuracy: Float[np.ndarray, " cells"],
    where: tuple[Int[np.ndarray, " cells"], ...],
    *,
    baseline: bool,
) -> Ranked:
    # only the order of a quantity's values matters, and a fit needs finite numbers
    order = np.unique(quantity, return_inverse=True)[1]
    rises = order.size > 1 and (
        fit(order, accuracy, increasing=True).missed <= fit(order, accuracy, increasing=False).missed
    )
    return Ranked(
        name,
        baseline,
        "rises" if rises else "falls",
        _score(order, accuracy, where[1]),
        _score(order, accuracy, where[0]),
        accuracy.size,
    )


def _score(
    quantity: Int[np.ndarray, " cells"], accuracy: Float[np.ndarray, " cells"], block: Int[np.ndarray, " cells"]
) -> Score | None:
    """Each block predicted from the others; the direction, too, is chosen without it. Beyond MOST_FOLDS blocks several
    neighbours are held out together."""
    index = np.unique(block, return_inverse=True)[1]
    blocks = int(index.max(initial=-1)) + 1
    if blocks < MINIMUM_BLOCKS or np.ptp(accuracy) == 0:
        return None
    index = index * min(blocks, MOST_FOLDS) // blocks
    missed, spread = np.zeros(min(blocks, MOST_FOLDS)), np.zeros(min(blocks, MOST_FOLDS))
    for i in range(missed.size):
        out = index == i
        predicted = best_fit(quantity[~out], accuracy[~out])(quantity[out])
        missed[i] = np.sum((accuracy[out] - predicted) ** 2)
        spread[i] = np.sum((accuracy[out] - accuracy[~out].mean()) ** 2)
    r2 = float(1 - missed.sum() / spread.sum())
    found = Score(r2, r2, r2, tuple(missed.tolist()), tuple(spread.tolist()))
    again = _resampled(found)
    low, high = np.quantile(again[np.isfinite(again)], [0.025, 0.975])
    return replace(found, low=float(low), high=float(high))


def _resampled(score: Score) -> Float[np.ndarray, " draws"]:
    """R² of blocks drawn with replacement; the same draws for every score of as many blocks."""
    missed, spread = np.array(score.missed), np.array(score.spread)
    drawn = np.random.default_rng(0).integers(missed.size, size=(DRAWS, missed.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Float[np.ndarray, " draws"] = 1 - missed[drawn].sum(axis=1) / spread[drawn].sum(axis=1)
    return result
