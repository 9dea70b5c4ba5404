"""The frontier: per column of a phase map, the depth where accuracy falls to a share of the best's lead over chance.

Where no share is given it is one half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.theory.errors import InputError

INSIDE, LEFT, RIGHT, MISSING = 0, -1, 1, 2
CENSORED = {INSIDE: "", LEFT: "left", RIGHT: "right", MISSING: "missing"}
HALF = 0.5
"""Of the lead of the map's best over chance."""
MINIMUM_CONTRAST = 0.1
"""If the map's best is not this fraction of (1 - chance) above chance, nothing trained, and no share of it means
anything: every column is then left-censored."""


@dataclass(frozen=True)
class Frontier:
    """The frontier of every column.

    Attributes:
        depth: where the column crosses the threshold; NaN if censored.
        censored: per column "" (crosses), "left" (never above the threshold: the frontier is shallower than the map),
            "right" (never below: deeper than the map), "missing" (nothing was run).
        threshold: chance + share·(best − chance). best: the map's best seed-mean accuracy. chance: majority-class rate.
    """

    depth: Float[np.ndarray, " columns"]
    censored: tuple[str, ...]
    threshold: float
    best: float
    chance: float

    def __repr__(self) -> str:
        crossed = sum(not one for one in self.censored)
        return f"Frontier({crossed} of {len(self.censored)} columns cross accuracy {self.threshold:.3g})"


def threshold_of(
    mean: Float[np.ndarray, "*batch depths columns"], chance: float, share: float = HALF
) -> Float[np.ndarray, "*batch"]:
    """chance + share·(best − chance), best the largest entry of each map; infinite where nothing trained
    (MINIMUM_CONTRAST)."""
    best = np.max(np.where(np.isnan(mean), -np.inf, mean), axis=(-2, -1))
    return np.where(best >= chance + MINIMUM_CONTRAST * (1 - chance), chance + share * (best - chance), np.inf)


def find(phase_map: xr.Dataset, metric: str = "test_accuracy", share: float = HALF) -> Frontier:
    """The frontier of each column: antitone regression of the seed means over depth, and the linear crossing of
    the threshold. The seed means are weighted by the number of seeds.

    Args:
        share: of the lead of the map's best over chance, between 0 and 1: the threshold.

    Raises:
        InputError: the metric is no accuracy, or the map's y axis is not depth.
    """
    if phase_map.attrs["y_axis"] != "depth":
        raise InputError(f"frontier: the map's y axis is {phase_map.attrs['y_axis']}; a frontier needs depth")
    chance = phase_map.attrs["chance"]
    mean, count = seed_means(accuracies(phase_map, metric))
    if not count.any():
        return Frontier(np.full(mean.shape[1], np.nan), ("missing",) * mean.shape[1], np.nan, np.nan, chance)
    threshold = threshold_of(mean, chance, share)
    depth, code = crossings(phase_map["depth"].values.astype(float), mean, count, threshold)
    return Frontier(
        depth,
        tuple(CENSORED[int(one)] for one in code),
        float(threshold) if np.isfinite(threshold) else float("nan"),
        float(np.nanmax(mean)),
        chance,
    )


def crossings(
    depths: Float[np.ndarray, " depths"],
    mean: Float[np.ndarray, "*batch depths columns"],
    count: Int[np.ndarray, "*batch depths columns"],
    threshold: Float[np.ndarray, "*batch"],
) -> tuple[Float[np.ndarray, "*batch columns"], Int[np.ndarray, "*batch columns"]]:
    """(depth, code) of every column, of one map or of many at once (the bootstrap's): where the antitone regression
    over depth crosses the threshold, linear between depths, found without fitting.

    The antitone fit is at or above t up to the last maximum of the running sum of w·(y - t); there its value is the
    least mean of a run that ends there, and beyond it the largest mean of a run that starts there (the min-max formulas
    of Robertson, Wright and Dykstra 1988). Equal to fitting first, to rounding, which the tests show.
    """
    weight = count.astype(float)
    excess = np.where(count > 0, weight * (np.nan_to_num(mean) - threshold[..., None, None]), 0.0)
    # a threshold of infinity (nothing trained) would make 0·inf; every column is left-censored then
    excess = np.where(np.isfinite(threshold)[..., None, None], excess, -weight)
    running = np.concatenate([np.zeros_like(excess[..., :1, :]), np.cumsum(excess, axis=-2)], axis=-2)
    last = (
        running.shape[-2] - 1 - np.argmax(running[..., ::-1, :] >= running.max(axis=-2, keepdims=True) - 1e-12, axis=-2)
    )

    position = np.arange(depths.size)[:, None]
    inside = (count > 0) & (position < last[..., None, :])
    beyond = (count > 0) & (position >= last[..., None, :])
    code = np.where(inside.any(axis=-2), np.where(beyond.any(axis=-2), INSIDE, RIGHT), LEFT)
    code = np.where((count > 0).any(axis=-2), code, MISSING)

    total = np.take_along_axis(running, last[..., None, :], axis=-2)
    mass = np.concatenate([np.zeros_like(weight[..., :1, :]), np.cumsum(weight, axis=-2)], axis=-2)
    mass_total = np.take_along_axis(mass, last[..., None, :], axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        before = (total - running[..., :-1, :]) / (mass_total - mass[..., :-1, :])
        after = (running[..., 1:, :] - total) / (mass[..., 1:, :] - mass_total)
        high = np.min(np.where(inside, before, np.inf), axis=-2)
        low = np.max(np.where(beyond, after, -np.inf), axis=-2)
        shallow = np.max(np.where(inside, depths[:, None], -np.inf), axis=-2)
        deep = np.min(np.where(beyond, depths[:, None], np.inf), axis=-2)
        depth = shallow + high / (high - low) * (deep - shallow)
    return np.where(code == INSIDE, depth, np.nan), code
