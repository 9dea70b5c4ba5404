"""Where training fails: the level of a predicted quantity that best separates the networks that diverge.

For ReLU networks with V_r = β_v + β_w < 1 the leading term of log p is W_r/(1−V_r)·l^(1−V_r), W_r = σ_v²σ_w²/2 (Thm
C.9); Fig. 2 of "Deep Mean Field Theory" draws the level C ≈ 10 of it, printed with V_r in place of W_r
(docs/errata-resnet.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.stats import rankdata

DRAWS = 400


@dataclass(frozen=True)
class DivergenceLevel:
    """The level C of one quantity: networks above it are said to diverge, those below it not.

    Attributes:
        name: the quantity.
        level: the middle of the levels with the fewest networks on the wrong side.
        low, high: 95 % interval, by resampling columns and seeds; no narrower than the gap between neighbouring depths.
        wrong: networks on the wrong side, of ``networks``, of which ``diverged`` diverged.
        separation: probability that a network that diverged has the larger value of two (0.5: the quantity knows
            nothing, 1: it separates perfectly).
    """

    name: str
    level: float
    low: float
    high: float
    wrong: int
    networks: int
    diverged: int
    separation: float


def divergence_levels(
    phase_map: xr.Dataset, quantities: Mapping[str, Float[np.ndarray, "depths columns"]]
) -> list[DivergenceLevel]:
    """One level per quantity, the best separation first; none unless some networks diverged and some did not.

    All quantities are judged on the same networks: those that were run, and with a value of every quantity.
    """
    outcome = phase_map["outcome"].values
    usable = np.all([np.isfinite(values) for values in quantities.values()], axis=0)
    run = (outcome != "missing") & usable[..., None] if quantities else outcome != outcome
    diverged = outcome == "diverged"
    if not (diverged & run).any() or not (~diverged & run).any():
        return []
    found = [_level(name, values, diverged, run) for name, values in quantities.items()]
    return sorted(found, key=lambda one: (one.wrong, -one.separation))


def _level(
    name: str,
    values: Float[np.ndarray, "depths columns"],
    diverged: Bool[np.ndarray, "depths columns seeds"],
    run: Bool[np.ndarray, "depths columns seeds"],
) -> DivergenceLevel:
    every = np.broadcast_to(values[..., None], run.shape)
    low, high, wrong = threshold(every[run], diverged[run])
    rng = np.random.default_rng(0)
    _, columns, seeds = run.shape
    ends = []
    for _ in range(DRAWS):
        drawn = [rng.integers(count, size=(count,)) for count in (columns, seeds)]
        draw = np.ix_(np.arange(run.shape[0]), *drawn)
        kept, failed = run[draw], diverged[draw]
        if failed[kept].any() and not failed[kept].all():
            ends.append(threshold(every[draw][kept], failed[kept])[:2])
    lows, highs = np.array(ends or [(low, high)]).T
    ranks = rankdata(every[run])
    n = int(diverged[run].sum())
    larger = (ranks[diverged[run]].sum() - n * (n + 1) / 2) / (n * (ranks.size - n))
    return DivergenceLevel(
        name,
        (low + high) / 2,
        min(low, float(np.quantile(lows, 0.025))),
        max(high, float(np.quantile(highs, 0.975))),
        wrong,
        int(run.sum()),
        n,
        float(larger),
    )


def threshold(
    values: Float[np.ndarray, " networks"], diverged: Bool[np.ndarray, " networks"]
) -> tuple[float, float, int]:
    """(lowest, highest level with the fewest networks on the wrong side, how many these are).

    A level outside all values, which calls every network the same, is not considered.
    """
    levels, place = np.unique(values, return_inverse=True)
    failed = np.bincount(place, weights=diverged, minlength=levels.size)
    fine = np.bincount(place, weights=~diverged, minlength=levels.size)
    # a level between levels[k] and levels[k + 1]
    wrong = np.cumsum(failed)[:-1] + (fine.sum() - np.cumsum(fine)[:-1])
    if not wrong.size:
        return float(levels[0]), float(levels[0]), int(min(failed.sum(), fine.sum()))
    best = np.flatnonzero(wrong == wrong.min())
    return float(levels[best[0]]), float(levels[best[-1] + 1]), int(wrong.min())
