"""Eigenvalues of one BN layer at its BSB1 fixed point, from moments of φ; valid for any ε ≥ 0 (docs/epsilon.md).

On symmetric matrices with zero row sums, the forward Jacobian and the backward operator commute with permutations of
the batch, so each acts as a number on R·G, on L = {G·D·G: D diagonal, tr D = 0} and on M = {zero diagonal}. On
traceless matrices both have the form Δ_aa ↦ A·Δ_aa, Δ_ab ↦ C·Δ_ab + D·(Δ_aa + Δ_bb) before projection with G, whence
λ_M = C and λ_L = [(B−2)·(A − 2D) + 2C]/B. Source: App. E.5, F.3, G.1, H, Yang et al. 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phasemap.theory.batchnorm.moments.moments import Moments
from phasemap.theory.batchnorm.moments.radial_average import Radial


@dataclass(frozen=True)
class Eigenvalues:
    """Eigenvalues on R·G, L and M. M does not exist at B = 3 (NaN there)."""

    G: float
    L: float
    M: float


def _on_l_and_m(batch_size: int, diagonal: float, off: float, mixed: float) -> tuple[float, float]:
    lambda_l = ((batch_size - 2) * (diagonal - 2 * mixed) + 2 * off) / batch_size
    return float(lambda_l), float(off) if batch_size > 3 else float("nan")


def forward(moments: Moments, weights: Radial, batch_size: int, mu: float, sigma_w: float = 1.0) -> Eigenvalues:
    """λ↑ of Σ ↦ σ_w²·V_Bφ(Σ) + σ_b²·11ᵀ, by differentiating the Gaussian density: needs φ but not φ′."""
    d, c = batch_size - 1, -1 / (batch_size - 1)
    flat, m = 1 - c * c, moments.average(weights.rho2)
    plane = (2 * m.f20 - 2 * c * m.f11) / flat
    rest = (m.f00 - plane) / ((d - 2) * flat) if d > 2 else np.zeros(1)
    alpha_beta = ((1 + c * c) * m.f11 - 2 * c * m.f20) / flat**2
    alpha_alpha = ((1 + c * c) * m.f20 - 2 * c * m.f11) / flat**2
    factor = sigma_w**2 / (2 * mu) * batch_size / d
    lambda_l, lambda_m = _on_l_and_m(
        batch_size,
        float(factor * (d * m.ffxx[0] - m.ff[0]) / (d - 1)),
        float(factor * 2 * (alpha_beta + c * rest)[0]),
        float(factor * (alpha_alpha - rest)[0]),
    )
    contrast = moments.ff - moments.f00
    norm = sigma_w**2 / (2 * mu) * np.sum((weights.rho2 - d * weights.one) * contrast)
    return Eigenvalues(float(norm), lambda_l, lambda_m)


def backward(moments: Moments, weights: Radial, batch_size: int, sigma_w: float = 1.0) -> Eigenvalues:
    """λ↓ of Π ↦ σ_w²·E[J(h)ᵀ·Π·J(h)], J the Jacobian of BN followed by φ. G's multiplies the squared gradient norm."""
    d, c = batch_size - 1, -1 / (batch_size - 1)
    flat = 1 - c * c
    m, m2, m4 = (moments.average(w) for w in (weights.inverse, weights.inverse_t2, weights.inverse_t4))
    lambda_g = m.gg - 2 * m2.ggxx + m4.ggxx - c * m.g00 + 2 * m2.g11 - m4.g11
    plane = (2 * m2.g20 - 2 * c * m2.g11) / flat
    plane4 = (2 * m4.g31 - 2 * c * m4.g22) / flat
    rest4 = (m4.g11 - plane4) / ((d - 2) * flat) if d > 2 else np.zeros(1)
    alpha_beta4 = ((1 + c * c) * m4.g22 - 2 * c * m4.g31) / flat**2
    alpha_alpha4 = ((1 + c * c) * m4.g31 - 2 * c * m4.g22) / flat**2
    lambda_l, lambda_m = _on_l_and_m(
        batch_size,
        float((m.gg - 2 * m2.ggxx + (d * m4.ggxxxx - m4.ggxx) / (d - 1))[0]),
        float((m.g00 - plane + 2 * alpha_beta4 + 2 * c * rest4)[0]),
        float((-(m2.g11 - c * m2.g20) / flat + alpha_alpha4 - rest4)[0]),
    )
    return Eigenvalues(
        float(sigma_w**2 * d / batch_size * lambda_g[0]), float(sigma_w**2 * lambda_l), float(sigma_w**2 * lambda_m)
    )


def batch_mean_rate(moments: Moments, weights: Radial, batch_size: int, sigma_w: float = 1.0) -> float:
    """ν = tr of the backward operator on 11ᵀ/B, a gradient that all samples share, which BN's own gradient never is.

    With φ′ as a vector over the batch and v of docs/epsilon.md it is σ_w²/B·E w·|G·(I − t²vvᵀ)·φ′|²; 0 for linear φ.
    """
    d = batch_size - 1
    m, m2, m4 = (moments.average(w) for w in (weights.inverse, weights.inverse_t2, weights.inverse_t4))
    along = 2 * (m2.ggxx + d * m2.g11) - (m4.ggxx + d * m4.g11)
    return float(sigma_w**2 * d / batch_size * (m.gg - m.g00 - along)[0])


def cross_batch_rate(moments: Moments, weights: Radial, batch_size: int, mu: float, sigma_w: float = 1.0) -> float:
    """λ of the covariance between two batches (forward and backward), from E[B_φ(h)·hᵀ]: no φ′. Thms 3.11, H.13."""
    overlap = np.sum(weights.rho * moments.fx)
    return float(sigma_w**2 * overlap**2 * batch_size / (mu * (batch_size - 1)))
