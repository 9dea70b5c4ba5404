"""What one square of the map shows: the seeds of a cell summarised to a mean, a spread and a state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Shaped

from phasemap.sweeps.phase_map.accuracies import ACCURACIES, accuracies
from phasemap.sweeps.phase_map.from_results import OUTCOMES

STATES = (*OUTCOMES, "failed")
"""``failed``: missing because its training broke off (``phasemap status`` says why), rather than not yet run."""


@dataclass(frozen=True)
class Cells:
    """All arrays over (y axis, x axis).

    Attributes:
        mean: over the seeds; for accuracies diverged and dead seeds count as chance, for losses they are left out. NaN
            unless the state is ``finished`` and the number exists.
        sd: sample standard deviation over the same seeds; NaN with fewer than two.
        state: ``finished`` if at least one seed finished, ``missing`` or ``failed`` if none has a result, else the more
            frequent of ``diverged`` and ``dead``.
        counts: seeds per state, in the order of ``STATES``.
        exceeds_float32: gradients leave float32's range by the theory, and float32 it was, for at least one seed.
    """

    mean: Float[np.ndarray, "y x"]
    sd: Float[np.ndarray, "y x"]
    state: Shaped[np.ndarray, "y x"]
    counts: Int[np.ndarray, "5 y x"]
    exceeds_float32: Bool[np.ndarray, "y x"]

    @property
    def partly_failed(self) -> Shaped[np.ndarray, "y x"]:
        """Cells with both finished and diverged or dead seeds."""
        finished, diverged, dead, *_ = self.counts
        return (finished > 0) & (diverged + dead > 0)


def summarise(phase_map: xr.Dataset, metric: str) -> Cells:
    """The squares of the map for one metric."""
    outcome = states(phase_map)
    counts = np.stack([(outcome == name).sum(axis=2) for name in STATES])
    finished, diverged, dead, _, failed = counts
    untrainable = np.where(diverged >= dead, "diverged", "dead")
    without = np.where(failed > 0, "failed", "missing")
    state = np.where(finished > 0, "finished", np.where(diverged + dead > 0, untrainable, without))
    if metric in ACCURACIES:
        values = accuracies(phase_map, metric)
    else:
        values = np.where(outcome == "finished", phase_map[metric].values.astype(float), np.nan)
    n = np.isfinite(values).sum(axis=2)
    mean = np.nansum(values, axis=2) / np.maximum(n, 1)
    squares = np.nansum((values - mean[..., None]) ** 2, axis=2)
    shown = (state == "finished") & (n > 0)
    return Cells(
        np.where(shown, mean, np.nan),
        np.where(shown & (n > 1), np.sqrt(squares / np.maximum(n - 1, 1)), np.nan),
        state,
        counts,
        np.asarray((phase_map["exceeds_float32"].values > 0).any(axis=2)),
    )


def states(phase_map: xr.Dataset) -> Shaped[np.ndarray, "y x seed"]:
    """The outcome of every cell, ``failed`` told from ``missing``."""
    return np.where(phase_map["failed"].values > 0, "failed", phase_map["outcome"].values)


def outcome_counts(phase_map: xr.Dataset) -> dict[str, int]:
    """Cells (with seeds) per state, every state named."""
    state = states(phase_map)
    return {name: int((state == name).sum()) for name in STATES}
