"""Does a quantity mean the same on two maps? One monotone function of it, fitted to one map, predicts the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.sweeps.verdict.monotone import best_fit


@dataclass(frozen=True)
class Transfer:
    """R² of one quantity: of map B from a function fitted to map A, and the other way round."""

    name: str
    a_to_b: float
    b_to_a: float


def transfer(a: xr.Dataset, b: xr.Dataset, metric: str = "test_accuracy") -> list[Transfer]:
    """Every quantity of two maps, the best mean of both ways first; networks that diverged are left out. The maps need
    not have the same axes. Empty where a theory says nothing of its map, and where accuracy must fall with depth by it:
    such maps are compared by their frontiers.

    Raises:
        InputError: the metric is no accuracy.
    """
    theories = [theory_of(one) for one in (a, b)]
    if any(theory.has_frontier for theory in theories):
        return []
    found = [theory.quantities for theory in theories]
    results = []
    for name in found[0]:
        if name not in found[1]:
            continue
        one, other = (_cells(phase_map, values[name], metric) for phase_map, values in zip((a, b), found, strict=True))
        if min(one[0].size, other[0].size) < 3 or np.ptp(one[1]) == 0 or np.ptp(other[1]) == 0:
            return []
        results.append(Transfer(name, _r2(one, other), _r2(other, one)))
    return sorted(results, key=lambda each: -(each.a_to_b + each.b_to_a))


Cells = tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]  # a quantity and the mean accuracy


def _cells(phase_map: xr.Dataset, values: Float[np.ndarray, "depths columns"], metric: str) -> Cells:
    mean, count = seed_means(accuracies(phase_map, metric))
    usable = (count > 0) & ~(phase_map["outcome"].values == "diverged").any(axis=2) & np.isfinite(values)
    return values[usable], mean[usable]


def _r2(known: Cells, asked: Cells) -> float:
    """1 - Σ(y - ŷ)²/Σ(y - ȳ)² on the asked cells; ȳ is their own mean. Negative: worse than knowing that mean."""
    missed = np.sum((asked[1] - best_fit(*known)(asked[0])) ** 2)
    return float(1 - missed / np.sum((asked[1] - asked[1].mean()) ** 2))
