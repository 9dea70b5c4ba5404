"""The accuracy of each cell as verdicts take it, and its mean over the seeds."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from phasemap.theory.errors import InputError

ACCURACIES = ("test_accuracy", "test_accuracy_batch", "train_accuracy", "train_accuracy_batch")


def accuracies(phase_map: xr.Dataset, metric: str = "test_accuracy") -> Float[np.ndarray, "depths columns seeds"]:
    """Accuracy of each cell; diverged and dead count as chance, NaN where missing.

    Raises:
        InputError: the metric is no accuracy.
    """
    if metric not in ACCURACIES:
        raise InputError(f"metric: {metric!r} has no frontier: expected one of {', '.join(ACCURACIES)}")
    outcome = phase_map["outcome"].values
    failed = (outcome == "diverged") | (outcome == "dead")
    chance = np.broadcast_to(phase_map["chance"].values[None, :, None], outcome.shape)
    values = np.where(failed, chance, phase_map[metric].values.astype(float))
    return np.where(outcome == "missing", np.nan, values)


def seed_means(
    accuracy: Float[np.ndarray, "*batch depths columns seeds"],
) -> tuple[Float[np.ndarray, "*batch depths columns"], Int[np.ndarray, "*batch depths columns"]]:
    """Mean over the seeds that were run (NaN where none was), and how many they are."""
    count = np.isfinite(accuracy).sum(axis=-1)
    total = np.nansum(accuracy, axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), count
