"""How much of a network's accuracy is left on the theory's line: what the eye takes for the edge of a map.

The frontier is a convention (half way from chance to the map's best); what is left at 16 ξ needs none.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float

from phasemap.sweeps.overlays.prediction import Prediction
from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.sweeps.verdict.frontier import find


def left_at_line(
    phase_map: xr.Dataset, prediction: Prediction, metric: str = "test_accuracy"
) -> Float[np.ndarray, " columns"]:
    """(accuracy at the line - chance) / (the map's best - chance) per column: the seeds' mean, linear between depths.

    NaN where the line is outside the column's depths, where there is none, and where nothing trained.
    """
    found = find(phase_map, metric)
    mean, _ = seed_means(accuracies(phase_map, metric))
    depths = phase_map["depth"].values.astype(float)
    left = np.full(mean.shape[1], np.nan)
    if np.isnan(found.threshold):
        return left
    for column, line in enumerate(prediction.factor * prediction.xi):
        run = np.isfinite(mean[:, column])
        if run.any() and depths[run][0] <= line <= depths[run][-1]:
            accuracy = np.interp(line, depths[run], mean[run, column])
            left[column] = (accuracy - found.chance) / (found.best - found.chance)
    return left
