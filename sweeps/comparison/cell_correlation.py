"""How alike two maps are, cell by cell, beside how alike two repeats of one map would be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.sweeps.verdict.which_scale import FEWEST_FOR_INTERVAL
from phasemap.theory.plural import counted

DRAWS = 1000


@dataclass(frozen=True)
class Likeness:
    """Pearson's r of two maps' mean accuracies over the cells that both have.

    Attributes:
        r: of the maps. interval: its ends at 95 %, by resampling columns and seeds; None of few columns.
        ceiling: the r that two repeats of the same map with as many other seeds would have on average,
            √(reliability of A · reliability of B). None with one seed, and where both maps have the same seeds: these
            draw the same random numbers, so that their errors go together.
        apart: root mean square of the difference of two cells. noise: what the seeds alone make of it (from the
            differences seed by seed where both maps have the same); None with one seed.
        cells: how many cells.
    """

    r: float
    interval: tuple[float, float] | None
    ceiling: float | None
    apart: float
    noise: float | None
    cells: int

    @property
    def sentence(self) -> str:
        """In words."""
        ends = "95% interval {:.3f} to {:.3f}, ".format(*self.interval) if self.interval else ""
        words = f"Correlation of the maps, cell by cell: {self.r:.3f} ({ends}{counted(self.cells, 'cell')})"
        words += "." if self.ceiling is None else f"; two repeats of one map would have {self.ceiling:.3f}."
        words += f" The accuracies are {self.apart:.3f} apart (root mean square)"
        return words + ("." if self.noise is None else f", of which the seeds alone make {self.noise:.3f}.")


def likeness(a: xr.Dataset, b: xr.Dataset, metric: str = "test_accuracy") -> Likeness | None:
    """Two maps on the same depths and columns; None with fewer than three common cells or a constant map.

    Raises:
        InputError: the metric is no accuracy.
    """
    one, other = accuracies(a, metric), accuracies(b, metric)
    r = _correlation(one, other)
    if r is None:
        return None
    same = np.array_equal(a["seed"].values, b["seed"].values)
    means = [seed_means(array)[0] for array in (one, other)]
    both = np.isfinite(means[0]) & np.isfinite(means[1])
    ceiling = noise = None
    if same:
        part = _noise((one - other)[both])
        noise = None if part is None else float(np.sqrt(part))
    else:
        parts = [part for array in (one, other) if (part := _noise(array[both])) is not None]
        if len(parts) == 2:
            spreads = [float(mean[both].var(ddof=1)) for mean in means]
            shares = [max(0.0, 1 - part / spread) for part, spread in zip(parts, spreads, strict=True)]
            ceiling, noise = float(np.sqrt(shares[0] * shares[1])), float(np.sqrt(sum(parts)))
    apart = float(np.sqrt(np.mean((means[0] - means[1])[both] ** 2)))
    # the resampled maps repeat cells, so that the estimate itself may lie outside their quantiles
    interval = _interval(one, other, r, same_seeds=same) if one.shape[1] >= FEWEST_FOR_INTERVAL else None
    return Likeness(r, interval, ceiling, apart, noise, int(both.sum()))


def _interval(
    one: Float[np.ndarray, "depths columns seeds"],
    other: Float[np.ndarray, "depths columns other_seeds"],
    r: float,
    *,
    same_seeds: bool,
) -> tuple[float, float]:
    """Of r, which it holds, by resampling columns and seeds."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        columns = rng.integers(one.shape[1], size=one.shape[1])
        seeds = [rng.integers(array.shape[2], size=array.shape[2]) for array in (one, other)]
        again = _correlation(one[:, columns][..., seeds[0]], other[:, columns][..., seeds[0 if same_seeds else 1]])
        drawn += [] if again is None else [again]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return min(float(low), r), max(float(high), r)


def _correlation(
    one: Float[np.ndarray, "depths columns seeds"], other: Float[np.ndarray, "depths columns others"]
) -> float | None:
    a, b = seed_means(one)[0], seed_means(other)[0]
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return None
    return float(np.corrcoef(a[both], b[both])[0, 1])


def _noise(accuracy: Float[np.ndarray, "cells seeds"]) -> float | None:
    """Variance of a cell's mean that comes from its seeds, averaged over the cells; None with one seed."""
    count = np.isfinite(accuracy).sum(axis=1)
    several = accuracy[count > 1]
    if not several.size:
        return None
    return float(np.mean(np.nanvar(several, axis=1, ddof=1) / count[count > 1]))
