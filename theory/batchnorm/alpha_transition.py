"""Where BSB1 loses its stability: the α-ReLU transition α(B), λ_L↑(α, B) = 1 (Fig. 1c, d of Yang et al. 2019)."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from phasemap.theory.batchnorm.closed_forms import forward
from phasemap.theory.homogeneous import Homogeneous

LARGEST = 64.0


def alpha_transition(batch_size: int) -> float | None:
    """The degree α of max(z, 0)^α above which the BSB1 fixed point repels, or None if it attracts for every α ≤ 64.

    λ_L↑ grows with α from below 1 at α = 1. Exists for B ≥ 5 and falls to 1 as B → ∞; at B = 4 there is none.
    """

    def excess(alpha: float) -> float:
        return float(forward(Homogeneous(1.0, 0.0, alpha), np.array([float(batch_size)]))[0][0]) - 1

    grid = np.linspace(1.0, LARGEST, 253)
    above = [alpha for alpha in grid if excess(float(alpha)) > 0]
    if not above:
        return None
    return float(optimize.brentq(excess, above[0] - 0.25, above[0], xtol=1e-13))
