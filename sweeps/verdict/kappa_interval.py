"""The interval of κ: resampling over seeds and columns, corrected for few of either.

Three independent errors move the mean over columns of r = ln(frontier/ξ):

1. columns: their scatter s²/n, which holds the noise of a seed in one column too;
2. the threshold: all columns share it, and the map's best is one noisy cell; d(mean r)/d(threshold) times its error;
3. what a seed does to all columns alike (same initial weights, same order of the data): the crossed bootstrap over
   seeds, less the bootstrap that draws seeds anew in every column, which (1) already holds (two-way clustering,
   Cameron, Gelbach and Miller 2011, J. Bus. Econ. Stat. 29).

The interval is t-like with Satterthwaite's degrees of freedom. The largest of many noisy means lies above the largest
true mean, so that the literal threshold is high and κ low by some per cent where seeds are noisy; the interval is
therefore centred on κ at a threshold whose best cell is chosen by all seeds but one and scored by that one. Where
that would leave κ itself outside, the two tails are split unevenly. Coverage is tested on maps with a known frontier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from phasemap.sweeps.phase_map.accuracies import seed_means
from phasemap.sweeps.verdict.frontier import INSIDE, LEFT, MISSING, crossings

DRAWS = 400
"""Of seeds with replacement, where there are more than this many different ones."""
_STEP = 0.1
"""Of the distance from chance to the threshold: to either side for the derivative."""


@dataclass(frozen=True)
class Interval:
    """A two-sided interval.

    Attributes:
        low, high: its ends. level: its nominal coverage.
        centre: κ at the threshold that held-out seeds give. degrees: Satterthwaite's degrees of freedom.
    """

    low: float
    high: float
    level: float
    centre: float
    degrees: float


@dataclass(frozen=True)
class _Columns:
    """What stays fixed while seeds are resampled."""

    depths: Float[np.ndarray, " depths"]
    accuracy: Float[np.ndarray, "depths columns seeds"]
    xi: Float[np.ndarray, " columns"]

    def log_ratios(
        self, threshold: float, weights: Float[np.ndarray, "draws once_or_columns seeds"]
    ) -> Float[np.ndarray, "draws columns"]:
        """ln(frontier/ξ); a column that is censored in a draw counts at the grid's end, NaN where nothing was run."""
        run = np.isfinite(self.accuracy)
        w = weights[:, None]
        count = (w * run).sum(axis=-1)
        mean = (w * np.where(run, self.accuracy, 0.0)).sum(axis=-1) / np.where(count > 0, count, 1)
        mean = np.where(count > 0, mean, np.nan)
        depth, code = crossings(self.depths, mean, count.astype(int), np.full(len(weights), threshold))
        edge = np.where(code == LEFT, self.depths[0], self.depths[-1])
        depth = np.where(code == INSIDE, depth, np.where(code == MISSING, np.nan, edge))
        return np.log(depth / self.xi)


def held_out_best(accuracy: Float[np.ndarray, "depths columns seeds"]) -> tuple[float, float]:
    """(mean accuracy of the best cell, its variance), each seed scoring the cell that the other seeds choose.

    The variance of one seed is pooled over the cells that are nearly as good as the best. With one seed nothing can be
    held out: (its largest accuracy, 0).
    """
    scores = []
    for seed in range(accuracy.shape[-1]):
        others, _ = seed_means(np.delete(accuracy, seed, axis=-1))
        usable = np.isfinite(others) & np.isfinite(accuracy[..., seed])
        if usable.any():
            scores.append(accuracy[..., seed].flat[np.argmax(np.where(usable, others, -np.inf))])
    mean, count = seed_means(accuracy)
    if not scores:
        return float(np.nanmax(mean)), 0.0
    best = float(np.mean(scores))
    top = (count > 1) & (
        np.nan_to_num(mean, nan=-np.inf) >= np.nanmax(mean) - 0.25 * (np.nanmax(mean) - np.nanmin(mean))
    )
    squares = np.nansum((accuracy[top] - mean[top][:, None]) ** 2)
    return best, float(squares / np.sum(count[top] - 1) / len(scores))


@dataclass(frozen=True)
class Errors:
    """The three errors of one map's mean of ln(frontier/ξ), at the threshold that held-out seeds give.

    Attributes:
        ratio: ln(frontier/ξ) of the used columns. by_threshold, by_seed: variances of its mean. seeds: how many.
    """

    ratio: Float[np.ndarray, " used"]
    by_threshold: float
    by_seed: float
    seeds: int


def errors_of(
    depths: Float[np.ndarray, " depths"],
    accuracy: Float[np.ndarray, "depths columns seeds"],
    xi: Float[np.ndarray, " columns"],
    used: Bool[np.ndarray, " columns"],
    chance: float,
) -> Errors | None:
    """What moves the mean of ln(frontier/ξ) over the used columns.

    Args:
        depths: increasing. accuracy: of the whole map, NaN where missing. xi: predicted depth scale of each column.
        used: the columns that the mean is over (uncensored, with a prediction), at least two.
        chance: majority-class rate.

    Returns:
        None where held-out seeds leave nothing above chance.
    """
    columns = _Columns(depths, accuracy[:, used], xi[used])
    seeds = accuracy.shape[-1]
    best, best_variance = held_out_best(accuracy)
    threshold = (chance + best) / 2
    if threshold <= chance:
        return None
    once = np.ones((1, 1, seeds))
    ratio = columns.log_ratios(threshold, once)[0]
    step = _STEP * (threshold - chance)
    raised, lowered = (columns.log_ratios(threshold + sign * step, once)[0] for sign in (1, -1))
    slope = float((raised - lowered).mean()) / (2 * step)
    by_seed = _shared_by_seeds(columns, threshold, ratio) if seeds > 1 else 0.0
    return Errors(ratio, slope**2 * best_variance / 4, by_seed, seeds)


def kappa_interval(
    depths: Float[np.ndarray, " depths"],
    accuracy: Float[np.ndarray, "depths columns seeds"],
    xi: Float[np.ndarray, " columns"],
    used: Bool[np.ndarray, " columns"],
    chance: float,
    log_kappa: float,
    level: float = 0.95,
) -> Interval | None:
    """The interval of κ over seeds and columns; it contains exp(``log_kappa``). The rest is as in ``errors_of``."""
    found = errors_of(depths, accuracy, xi, used, chance)
    return None if found is None else interval_of([found], found.ratio, log_kappa, level)


def interval_of(
    maps: Sequence[Errors], ratio: Float[np.ndarray, " used"], log_estimate: float, level: float = 0.95
) -> Interval:
    """The interval of exp(mean ``ratio``), containing exp(``log_estimate``).

    Args:
        maps: whose errors add up: one for κ, two for the shift between two maps.
        ratio: per column; its scatter is the third error. Of κ, or the difference of two maps' ratios.
    """
    n = ratio.size
    by_column = float(ratio.var(ddof=1)) / n
    variance = by_column + sum(one.by_threshold + one.by_seed for one in maps)
    centre = float(ratio.mean())
    if variance == 0:
        return Interval(float(np.exp(log_estimate)), float(np.exp(log_estimate)), level, float(np.exp(centre)), np.inf)
    # the threshold's variance is pooled over many cells: its degrees of freedom do not matter
    spent = by_column**2 / (n - 1) + sum(one.by_seed**2 / (one.seeds - 1) for one in maps if one.seeds > 1)
    degrees = variance**2 / spent if spent > 0 else np.inf
    error = float(np.sqrt(variance))
    low, high = (centre + error * end for end in _ends((log_estimate - centre) / error, level, degrees))
    return Interval(float(np.exp(low)), float(np.exp(high)), level, float(np.exp(centre)), float(degrees))


def _ends(estimate: float, level: float, degrees: float) -> tuple[float, float]:
    """Ends of a t interval about 0 that contains ``estimate``: where the symmetric one does not, it reaches that far,
    and the tail that this saves is given to the other side, so that the level stays."""
    tail = (1 - level) / 2
    end = float(stats.t.ppf(1 - tail, degrees))
    if abs(estimate) <= end:
        return -end, end
    saved = float(stats.t.sf(abs(estimate), degrees))
    other = float(stats.t.ppf(1 - (2 * tail - saved), degrees))
    return (estimate, other) if estimate < 0 else (-other, estimate)


def _shared_by_seeds(columns: _Columns, threshold: float, ratio: Float[np.ndarray, " columns"]) -> float:
    """Variance of the mean log-ratio that comes from effects of a seed on all columns alike; not negative.

    Seeds drawn once for all columns, less seeds drawn anew in every column: the variance of the mean, less the sum of
    the columns' variances over n².
    """
    seeds, n = columns.accuracy.shape[-1], ratio.size
    counts, probability = _draws_of(seeds)
    deviations = np.nan_to_num(columns.log_ratios(threshold, counts[:, None]) - ratio)

    def variance(values: Float[np.ndarray, "draws _"]) -> Float[np.ndarray, " _"]:
        squares: Float[np.ndarray, " _"] = probability @ (values - probability @ values) ** 2
        return squares

    together = float(variance(deviations.mean(axis=1, keepdims=True))[0])
    separately = float(variance(deviations).sum()) / n**2
    # a bootstrap over S seeds has (S - 1)/S of the variance
    return max(0.0, together - separately) * seeds / (seeds - 1)


def _draws_of(seeds: int) -> tuple[Float[np.ndarray, "draws seeds"], Float[np.ndarray, " draws"]]:
    """(how often each seed is drawn, the draw's probability): every draw with replacement if they are at most DRAWS
    (up to five seeds), else DRAWS random ones."""
    even = np.full(seeds, 1 / seeds)
    if comb(2 * seeds - 1, seeds) > DRAWS:
        drawn = np.random.default_rng(0).multinomial(seeds, even, size=DRAWS)
        return drawn.astype(float), np.full(DRAWS, 1 / DRAWS)
    every = combinations_with_replacement(range(seeds), seeds)
    counts = np.array([np.bincount(one, minlength=seeds) for one in every])
    return counts.astype(float), stats.multinomial.pmf(counts, seeds, even)
