"""The cross-batch rate a second way: from the mean Jacobian of a BN layer, by φ′ where the first way has φ.

Source: Thm I.4, Yang et al. 2019. That both ways agree is Stein's lemma for the centred batch.
"""

from __future__ import annotations

import numpy as np

from phasemap.theory.batchnorm.moments.moments import Moments
from phasemap.theory.batchnorm.moments.radial_average import Radial


def cross_batch_rate_from_jacobian(moments: Moments, weights: Radial, sigma_w: float = 1.0) -> float:
    """λ_CB = σ_w²·(E[(s²+ε)^(−1/2)·φ′(z)·(1 − t²x²)])², at the fixed point that ``weights`` are of."""
    return float(sigma_w**2 * np.sum(weights.half * moments.g - weights.half_t2 * moments.gxx) ** 2)
