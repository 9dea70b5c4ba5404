"""The level of a quantity at which a map's accuracy is half way between chance and its best."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.sweeps.verdict.frontier import threshold_of
from phasemap.sweeps.verdict.monotone import fit

DRAWS = 200


def half_accuracy(
    phase_map: xr.Dataset, values: Float[np.ndarray, "depths columns"], metric: str, *, rises: bool
) -> tuple[float, float, float] | None:
    """(level, low, high) of a quantity at which the map's accuracy, as a monotone function of it, is half way between
    chance and the best; the interval by drawing columns again. None where the map does not cross it."""
    mean, count = seed_means(accuracies(phase_map, metric))
    diverged = (phase_map["outcome"].values == "diverged").any(axis=2)
    usable = (count > 0) & ~diverged & np.isfinite(values)
    half = float(threshold_of(mean, phase_map.attrs["chance"]))

    def crossing(columns: Int[np.ndarray, " drawn"]) -> float | None:
        kept = usable[:, columns]
        return _crossing(values[:, columns][kept], mean[:, columns][kept], half, rises)

    level = crossing(np.arange(mean.shape[1]))
    if level is None:
        return None
    rng = np.random.default_rng(0)
    draws = rng.integers(mean.shape[1], size=(DRAWS, mean.shape[1]))
    again = [crossing(columns) for columns in draws]
    low, high = np.quantile([one for one in again if one is not None], [0.025, 0.975])
    return level, min(level, float(low)), max(level, float(high))


def _crossing(
    values: Float[np.ndarray, " cells"], accuracy: Float[np.ndarray, " cells"], half: float, rises: bool
) -> float | None:
    """Where the monotone fit passes ``half``; None if it does not."""
    if values.size < 3 or not math.isfinite(half):
        return None
    fitted = fit(values, accuracy, increasing=rises)
    at, above = fitted.at, fitted.value >= half
    if above.all() or not above.any():
        return None
    i = int(np.argmax(above)) if rises else int(np.argmin(above))
    share = (half - fitted.value[i - 1]) / (fitted.value[i] - fitted.value[i - 1])
    return float(at[i - 1] + share * (at[i] - at[i - 1]))
