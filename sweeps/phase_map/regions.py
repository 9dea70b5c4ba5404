"""Regions of a map: the whole, what did not diverge, and both sides of every depth's best network."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int

from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means

WHOLE = "whole map"
TRAINED = "networks that did not diverge"
LEFT = "left of each depth's best network"
RIGHT = "right of each depth's best network"


def best_columns(phase_map: xr.Dataset, metric: str = "test_accuracy") -> Int[np.ndarray, " depths"]:
    """The column with the highest mean accuracy at each depth (the first of equals; 0 where nothing was run)."""
    mean, _ = seed_means(accuracies(phase_map, metric))
    return np.argmax(np.where(np.isnan(mean), -np.inf, mean), axis=1)


def regions(phase_map: xr.Dataset, metric: str = "test_accuracy") -> dict[str, Bool[np.ndarray, "depths columns"]]:
    """The regions of this map by name.

    Without the cells of which a seed diverged, if there are any; and, where ``overlay`` names two quantities, the two
    sides of each depth's best network, which belongs to both. A depth whose best is the first (or last) column has no
    left (right) side.
    """
    shape = phase_map["outcome"].shape[:2]
    found = {WHOLE: np.ones(shape, bool)}
    diverged = (phase_map["outcome"].values == "diverged").any(axis=2)
    if diverged.any():
        found[TRAINED] = ~diverged
    if "|" in phase_map.attrs["overlay"]:
        column, best = np.arange(shape[1])[None, :], best_columns(phase_map, metric)[:, None]
        found |= {LEFT: (column <= best) & (best > 0), RIGHT: (column >= best) & (best < shape[1] - 1)}
    return found
