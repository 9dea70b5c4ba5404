"""A monotone function fitted to points: what one number says of another if only its order counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Real
from scipy.optimize import isotonic_regression


@dataclass(frozen=True)
class Monotone:
    """A function that only rises, or only falls: linear between the points that it was fitted to, level beyond them.

    Attributes:
        at, value: the points, ascending. missed: the sum of squared errors of the fit.
    """

    at: Real[np.ndarray, " points"]
    value: Float[np.ndarray, " points"]
    missed: float

    def __call__(self, x: Real[np.ndarray, " asked"]) -> Float[np.ndarray, " asked"]:
        """The function's values at ``x``."""
        return np.interp(x, self.at, self.value)


def fit(x: Real[np.ndarray, " cells"], y: Float[np.ndarray, " cells"], *, increasing: bool) -> Monotone:
    """The rising (or falling) function of ``x`` with the least squared error; equal ``x`` have their mean ``y``."""
    at, where, count = np.unique(x, return_inverse=True, return_counts=True)
    mean = np.bincount(where, y) / count
    value = isotonic_regression(mean, weights=count, increasing=increasing).x
    return Monotone(at, value, float(np.sum((value[where] - y) ** 2)))


def best_fit(x: Real[np.ndarray, " cells"], y: Float[np.ndarray, " cells"]) -> Monotone:
    """The better of both directions; the rising one of equals."""
    return min((fit(x, y, increasing=up) for up in (True, False)), key=lambda one: one.missed)
