"""The Laplace method: closed forms of one BN layer for positive-homogeneous φ(z) = a·max(z,0)^α − b·max(−z,0)^α.

Vectorised over batch sizes. Sources: Props E.8–E.23, Thms F.8, F.33, G.12, H.6, H.14, Yang et al. 2019, with the
corrections listed in docs/errata.md. J_α and its derivative are written as hypergeometric functions of c², which is the
Hermite series of ρ_α summed: exact to rounding for every real α, where the paper has closed forms for integers only.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from phasemap.theory.homogeneous import Homogeneous
from phasemap.theory.integrals.radius import scaled_pochhammer

Batch = Float[np.ndarray, " n"]


def _contrast(phi: Homogeneous, batch_size: Batch) -> Batch:
    """J_φ(1) − J_φ(−1/(B−1)), with no cancellation at B → ∞ as J_φ(0) < J_φ(1) always."""
    return phi.a**2 + phi.b**2 - phi.kernel(-1 / (batch_size - 1))


def scale_factor(phi: Homogeneous, batch_size: Batch) -> Batch:
    """K_(α,B) = c_α·((B−1)/2)^α / P((B−1)/2, α) (Defn F.6)."""
    half = (batch_size - 1) / 2
    return phi.c_alpha / scaled_pochhammer(half, phi.alpha)


def fixed_point(phi: Homogeneous, batch_size: Batch) -> tuple[Batch, Batch]:
    """Diagonal q* and off-diagonal q*c* of the BSB1 fixed point at ε = 0, σ_w = 1 (Thm F.8)."""
    k = scale_factor(phi, batch_size)
    return k * (phi.a**2 + phi.b**2), k * phi.kernel(-1 / (batch_size - 1))


def forward(phi: Homogeneous, batch_size: Batch) -> tuple[Batch, Batch]:
    """λ_L↑, λ_M↑ at ε = 0 (Thm F.33, simplified); λ_G↑ = 0. R = J′_φ(c₀)/(J_φ(1) − J_φ(c₀))."""
    b = batch_size
    ratio = phi.kernel_slope(-1 / (b - 1)) / _contrast(phi, b)
    lambda_m = b * ratio / (b - 1 + 2 * phi.alpha)
    return ((b - 2) * phi.alpha + b * ratio / (b - 1)) / (b - 1 + 2 * phi.alpha), lambda_m


def backward(phi: Homogeneous, batch_size: Batch) -> tuple[Batch, Batch, Batch]:
    """λ_G↓, λ_L↓, λ_M↓ at ε = 0 (Thm G.12). Finite for B ≥ 4 and α > 1/2, where E φ′² exists."""
    b, alpha = batch_size, phi.alpha
    if phi.is_linear:
        off = (b * b - 2 * b - 1) / ((b - 3) * (b + 1))
        return (b - 2) / (b - 3), off, off
    c, contrast, one = -1 / (b - 1), _contrast(phi, b), phi.a**2 + phi.b**2
    ratio = phi.kernel_slope(c) / contrast
    lambda_g = (b - 3 + 2 * alpha) * (ratio + alpha**2 * (b - 1) * one / ((2 * alpha - 1) * contrast)) / (
        (b - 3) * (b - 1)
    ) - alpha**2 / (b - 3)
    lambda_l = (
        -2 * alpha**2 * (b - 2) * (b - 1 + alpha) / ((b - 3) * (b - 1) * (b - 1 + 2 * alpha))
        + 2
        * (alpha**2 * (3 * b - 4) + alpha * (3 * b * b - 11 * b + 8) + (b - 3) * (b - 1) ** 2)
        / ((b - 3) * (b - 1) ** 2 * (b - 1 + 2 * alpha))
        * ratio
        + alpha**2 * (b - 2) * (b - 3 + 2 * alpha) / ((2 * alpha - 1) * (b - 3) * (b - 1)) * one / contrast
    )
    lambda_m = (
        b
        * (b * b + 2 * (alpha - 2) * b + 2 * (alpha - 3) * alpha + 3)
        / ((b - 3) * (b - 1) * (b - 1 + 2 * alpha))
        * ratio
    )
    return lambda_g, lambda_l, lambda_m


def explosion_excess(phi: Homogeneous, batch_size: Batch) -> Batch:
    """λ_G↓ − 1, without the cancellation that the subtraction suffers when φ is nearly linear and B large."""
    b = batch_size
    if phi.is_linear:
        return 1 / (b - 3)
    return backward(phi, b)[0] - 1


def cross_batch(phi: Homogeneous, batch_size: Batch) -> tuple[Batch, Batch]:
    """The entry c_CB* of the covariance between two batches (Thm H.6) and its rate λ_CB (Thm H.14) at ε = 0."""
    b, alpha = batch_size, phi.alpha
    half = (b - 1) / 2
    entry = phi.c_alpha * phi.kernel(0.0) / scaled_pochhammer(half, alpha / 2) ** 2
    spread = scale_factor(phi, b) * _contrast(phi, b)
    slope = phi.c_alpha * phi.kernel_slope(0.0)
    growth = (half / (b / 2)) ** (alpha - 1) / scaled_pochhammer(b / 2, alpha / 2) ** 2
    return entry, growth * slope / spread


def linear_convergence(rank: Batch) -> Batch:
    """C/(C+2): the rate at which a linear network forgets the shape of inputs of rank C (Thm F.2, Cor. F.3), ε = 0.

    Σ^G keeps its C eigenvectors, and its eigenvalues tend to B/C. C is the rank after subtracting the batch mean, at
    most B − 1, where the rate is λ_L↑ = λ_M↑.
    """
    return rank / (rank + 2)
