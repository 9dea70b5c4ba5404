"""When the moments of a BN layer, computed at growing resolution, have settled."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from phasemap.theory.activations import Activation, value_at_zero
from phasemap.theory.batchnorm.moments.moments import Moments


def rounding(activation: Activation, moments: Moments) -> Float[np.ndarray, " t"]:
    """The floor that φ(z) − φ(0) sets where φ(0) ≠ 0 and the signal is small."""
    return 1e-14 * abs(value_at_zero(activation)) / np.sqrt(np.maximum(moments.ff, 1e-300))


def settled(
    change: Float[np.ndarray, " t"], last: Float[np.ndarray, " t"], tolerance: Float[np.ndarray, " t"] | float
) -> Bool[np.ndarray, " t"]:
    """Whether refinement is done: within tolerance, or at a floor where small changes no longer shrink."""
    return (change <= tolerance) | ((change < 1e-11) & (change > last / 4))


def converging(changes: list[float]) -> bool:
    """Whether the last three changes fell fast, as for smooth φ, so that the last one bounds the error."""
    return len(changes) > 3 and changes[-1] < changes[-2] / 8 < changes[-3] / 64
