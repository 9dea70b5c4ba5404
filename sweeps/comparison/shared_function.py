"""Does a quantity mean the same on two maps? One monotone function of it, fitted to one map, predicts the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float
from sklearn.isotonic import IsotonicRegression

from phasemap.sweeps.overlays.residual import QUANTITIES, quantities
from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means


@dataclass(frozen=True)
class Transfer:
    """R² of one quantity: of map B from a function fitted to map A, and the other way round."""

    name: str
    a_to_b: float
    b_to_a: float


def transfer(a: xr.Dataset, b: xr.Dataset, metric: str = "test_accuracy") -> list[Transfer]:
    """Every quantity of two maps of residual networks, the best mean of both ways first; networks that diverged are
    left out. The maps need not have the same axes. Empty where the theory says nothing of either map.

    Raises:
        InputError: the metric is no accuracy.
    """
    found = [quantities(one) for one in (a, b)]
    if not all(found):
        return []
    results = []
    for name, (label, _) in QUANTITIES.items():
        one, other = (_cells(phase_map, values[name], metric) for phase_map, values in zip((a, b), found, strict=True))
        if min(one[0].size, other[0].size) < 3 or np.ptp(one[1]) == 0 or np.ptp(other[1]) == 0:
            return []
        results.append(Transfer(label, _r2(one, other), _r2(other, one)))
    return sorted(results, key=lambda each: -(each.a_to_b + each.b_to_a))


Cells = tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]  # a quantity and the mean accuracy


def _cells(phase_map: xr.Dataset, values: Float[np.ndarray, "depths columns"], metric: str) -> Cells:
    mean, count = seed_means(accuracies(phase_map, metric))
    usable = (count > 0) & ~(phase_map["outcome"].values == "diverged").any(axis=2) & np.isfinite(values)
    return values[usable], mean[usable]


def _r2(known: Cells, asked: Cells) -> float:
    """1 - Σ(y - ŷ)²/Σ(y - ȳ)² on the asked cells; ȳ is their own mean. Negative: worse than knowing that mean."""
    fits = [IsotonicRegression(increasing=up, out_of_bounds="clip").fit(*known) for up in (True, False)]
    model = min(fits, key=lambda fit: float(np.sum((fit.predict(known[0]) - known[1]) ** 2)))
    missed = np.sum((asked[1] - model.predict(asked[0])) ** 2)
    return float(1 - missed / np.sum((asked[1] - asked[1].mean()) ** 2))
