"""From which number to which the colours of a map run."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.phase_map.squares import summarise

WHOLE = (0.0, 1.0)
NARROW = 0.5
"""Accuracies that span less than this are drawn on a scale of their own, if they need not fall with depth."""
STEPS = ((0.1, 20), (0.0, 100))
"""A narrow scale ends at whole twentieths, or hundredths where accuracies span less than 0.1."""


def colour_limits(phase_map: xr.Dataset, metric: str) -> tuple[float, float]:
    """Fixed, so that maps compare: accuracy 0 to 1; loss 0 to ln(1/chance), about the loss of guessing.

    Only where accuracy need not fall with depth and all accuracies of the map, on whichever set, are within NARROW, the
    round numbers around them: a peak would be no more than a shade. All accuracies of a map have one scale."""
    if metric not in ACCURACIES:
        chance = phase_map.attrs["chance"]
        return 0.0, float(np.log(1 / chance)) if 0 < chance < 1 else 1.0
    if theory_of(phase_map).has_frontier:
        return WHOLE
    means = np.concatenate([summarise(phase_map, one).mean.ravel() for one in ACCURACIES])
    if not np.isfinite(means).any():
        return WHOLE
    least, most = float(np.nanmin(means)), float(np.nanmax(means))
    if most - least >= NARROW:
        return WHOLE
    steps = next(steps for span, steps in STEPS if most - least >= span)
    low = min(math.floor(least * steps), steps - 1)
    return low / steps, max(math.ceil(most * steps), low + 1) / steps


def scale_in_words(phase_map: xr.Dataset) -> str:
    """``colours from 0.4 to 0.7`` where accuracy has a narrow scale, else ""."""
    low, high = limits = colour_limits(phase_map, ACCURACIES[0])
    return "" if limits == WHOLE else f"colours from {low:g} to {high:g}"
