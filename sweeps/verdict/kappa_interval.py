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
from phasemap.sweeps.verdict.frontier import HALF, INSIDE, LEFT, MISSING, crossings

DRAWS = 400
"""Of seeds with replacement, where there are more than this many different ones."""
_STEP = 0.1
"""Of the distance from the threshold to chance, or to the best if that is nearer: to either side for the derivative."""
_AT_ONCE = 2**20
"""Numbers of all draws together that are held in memory: 8 MB."""


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
        parts = min(-(-len(weights) * self.accuracy.size // _AT_ONCE), len(weights))
        return np.concatenate([self._at_once(threshold, part) for part in np.array_split(weights, parts)])

    def _at_once(
        self, threshold: float, weights: Float[np.ndarray, "draws once_or_columns seeds"]
    ) -> Float[np.ndarray, "draws columns"]:
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


@dataclass(frozen=True)
class Movements:
    """How ln(frontier/ξ) of each used column moves with the threshold and with the seeds.

    Attributes:
        ratio: at the threshold that held-out seeds give.
        with_threshold: its standard error from the threshold's, with the sign of the derivative; all move together.
        with_seeds: its change in each draw of seeds with replacement, the same seeds in every column.
        probability: of each draw. seeds: how many there are.
    """

    ratio: Float[np.ndarray, " used"]
    with_threshold: Float[np.ndarray, " used"]
    with_seeds: Float[np.ndarray, "draws used"]
    probability: Float[np.ndarray, " draws"]
    seeds: int

    def errors(self, weights: Float[np.ndarray, " used"]) -> Errors:
        """The errors of the sum of weights·ratio, which columns share: of the mean if all are 1/n.

        What seeds do to all columns alike is the variance of seeds drawn once for all columns, less that of seeds drawn
        anew in every column; not negative.
        """
        together = float(self._variance(self.with_seeds @ weights[:, None])[0])
        separately = float(self._variance(self.with_seeds) @ weights**2)
        by_seed = max(0.0, together - separately) * self._enlarged
        return Errors(self.ratio, float(weights @ self.with_threshold) ** 2, by_seed, self.seeds)

    @property
    def noise(self) -> float | None:
        """The standard deviation over columns that ``ratio`` would have from the seeds alone; None with one seed."""
        if self.seeds == 1:
            return None
        return float(np.sqrt(self.probability @ self.with_seeds.var(axis=1, ddof=1) * self._enlarged))

    def _variance(self, values: Float[np.ndarray, "draws _"]) -> Float[np.ndarray, " _"]:
        squares: Float[np.ndarray, " _"] = self.probability @ (values - self.probability @ values) ** 2
        return squares

    @property
    def _enlarged(self) -> float:
        """A bootstrap over S seeds has (S - 1)/S of the variance."""
        return self.seeds / (self.seeds - 1) if self.seeds > 1 else 0.0


def movements(
    depths: Float[np.ndarray, " depths"],
    accuracy: Float[np.ndarray, "depths columns seeds"],
    xi: Float[np.ndarray, " columns"],
    used: Bool[np.ndarray, " columns"],
    chance: float,
    share: float = HALF,
) -> Movements | None:
    """What moves the used columns' ln(frontier/ξ).

    Args:
        depths: increasing. accuracy: of the whole map, NaN where missing. xi: predicted depth scale of each column.
        used: the columns that the statistic is of (uncensored, with a prediction), at least two.
        chance: majority-class rate. share: of the best's lead over chance, at which the frontier lies.

    Returns:
        None where held-out seeds leave nothing above chance.
    """
    columns = _Columns(depths, accuracy[:, used], xi[used])
    seeds = accuracy.shape[-1]
    best, best_variance = held_out_best(accuracy)
    threshold = chance + share * (best - chance)
    if threshold <= chance:
        return None
    ratio = columns.log_ratios(threshold, np.ones((1, 1, seeds)))[0]
    step = _STEP * (best - chance) * min(share, 1 - share)
    raised, lowered = (columns.log_ratios(threshold + sign * step, np.ones((1, 1, seeds)))[0] for sign in (1, -1))
    with_threshold = (raised - lowered) / (2 * step) * share * np.sqrt(best_variance)
    counts, probability = _draws_of(seeds)
    with_seeds = np.nan_to_num(columns.log_ratios(threshold, counts[:, None]) - ratio)
    return Movements(ratio, with_threshold, with_seeds, probability, seeds)


def errors_of(
    depths: Float[np.ndarray, " depths"],
    accuracy: Float[np.ndarray, "depths columns seeds"],
    xi: Float[np.ndarray, " columns"],
    used: Bool[np.ndarray, " columns"],
    chance: float,
    share: float = HALF,
) -> Errors | None:
    """What moves the mean of ln(frontier/ξ) over the used columns; arguments as in ``movements``."""
    found = movements(depths, accuracy, xi, used, chance, share)
    return found.errors(np.full(found.ratio.size, 1 / found.ratio.size)) if found else None


def kappa_interval(
    depths: Float[np.ndarray, " depths"],
    accuracy: Float[np.ndarray, "depths columns seeds"],
    xi: Float[np.ndarray, " columns"],
    used: Bool[np.ndarray, " columns"],
    chance: float,
    log_kappa: float,
    level: float = 0.95,
    share: float = HALF,
) -> Interval | None:
    """The interval of κ over seeds and columns; it contains exp(``log_kappa``). The rest is as in ``movements``."""
    found = errors_of(depths, accuracy, xi, used, chance, share)
    return None if found is None else interval_of([found], found.ratio, log_kappa, level)


def interval_of(
    maps: Sequence[Errors], ratio: Float[np.ndarray, " used"], log_estimate: float, level: float = 0.95
) -> Interval:
    """The interval of exp(mean ``ratio``), containing exp(``log_estimate``).

    Args:
        maps: whose errors add up: one for κ, two for the shift between two maps.
        ratio: per column; its scatter is the third error. Of κ, the difference of two maps' ratios, or a jackknife's
            pseudo-values.
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
