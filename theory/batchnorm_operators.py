"""Eigenvalues of one BN layer at its BSB1 fixed point, from moments of φ; valid for any ε ≥ 0 (docs/epsilon.md).

On symmetric matrices with zero row sums, the forward Jacobian and the backward operator commute with permutations of
the batch, so each acts as a number on R·G, on L = {G·D·G: D diagonal, tr D = 0} and on M = {zero diagonal}. On
traceless matrices both have the form Δ_aa ↦ A·Δ_aa, Δ_ab ↦ C·Δ_ab + D·(Δ_aa + Δ_bb) before projection with G, whence
λ_M = C and λ_L = [(B−2)·(A − 2D) + 2C]/B. Source: App. E.5, F.3, G.1, H, Yang et al. 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from theory.batchnorm_moments import Moments
from theory.batchnorm_radial import chi_square_rule, pochhammer

Row = Float[np.ndarray, " t"]


@dataclass(frozen=True)
class Radial:
    """Averages over the radius ρ ~ χ_(B−1) of the centred pre-activation, as weights on the scales t(ρ).

    s² = μρ²/B is the batch variance, t² = s²/(s²+ε). Summing weight × moment over t gives E[weight(ρ)·moment(t(ρ))].
    When ε = 0 there is one scale, t = 1. Infinite entries mean that the expectation diverges (B = 3, ε = 0).

    Attributes:
        scales: t.
        one, rho, rho2: probability, and times ρ, ρ².
        inverse: times 1/(s²+ε). inverse_t2, inverse_t4: times t², t⁴. half: times 1/√(s²+ε); half_t2: times t².
    """

    scales: Row
    one: Row
    rho: Row
    rho2: Row
    inverse: Row
    inverse_t2: Row
    inverse_t4: Row
    half: Row
    half_t2: Row


@lru_cache(maxsize=512)
def _mean_radius(dimension: int) -> tuple[float, float]:
    """E ρ and E 1/ρ for ρ ~ χ_dimension."""
    up, down = (float(pochhammer(dimension / 2, shift)) for shift in (0.5, -0.5))
    return float(np.sqrt(2) * up), float(down / np.sqrt(2))


def radial(batch_size: int, mu: float, eps: float, resolution: float = 1.0, kinks: tuple[float, ...] = ()) -> Radial:
    """The radial averages at spread μ > 0 (μ·G is the covariance of the centred pre-activation), split for kinks."""
    d = batch_size - 1
    if eps == 0:
        inverse = np.array([batch_size / (mu * (d - 2)) if d > 2 else np.inf])
        mean, mean_inverse = _mean_radius(d)
        half = np.array([np.sqrt(batch_size / mu) * mean_inverse])
        one, rho = np.ones(1), np.array([mean])
        return Radial(one, one, rho, one * d, inverse, inverse, inverse, half, half)
    breaks = tuple(batch_size * eps / mu * t**2 / (1 - t**2) for t in rough_scales(kinks, batch_size))
    rho2, weights = chi_square_rule(d, resolution, breaks)
    variance = mu * rho2 / batch_size
    t2 = variance / (variance + eps)
    inverse = weights / (variance + eps)
    half = weights / np.sqrt(variance + eps)
    return Radial(
        np.sqrt(t2),
        weights,
        weights * np.sqrt(rho2),
        weights * rho2,
        inverse,
        inverse * t2,
        inverse * t2**2,
        half,
        half * t2,
    )


def rough_scales(kinks: tuple[float, ...], batch_size: int) -> list[float]:
    """The scales t at which moments are not smooth functions of t, because of kinks of φ.

    A kink k comes into reach of one sample at √(B−1)·t = |k|. For two samples the circles on which they meet kinks k,
    k′ touch where x = k/(√(B−1)·t), x′ = k′/(√(B−1)·t) and the axes lie in a plane. From dimension 40 on the density
    there is so small that the moments are smooth to rounding.
    """
    d, c = batch_size - 1, -1 / (batch_size - 1)
    if d >= 40:
        return []
    one = [k * k / d for k in kinks]
    two = [(k * k + m * m - 2 * c * k * m) / (d * (1 - c * c)) for k in kinks for m in kinks]
    return sorted({float(np.sqrt(t2)) for t2 in one + two if 0 < t2 < 1})


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


def cross_batch_rate(moments: Moments, weights: Radial, batch_size: int, mu: float, sigma_w: float = 1.0) -> float:
    """λ of the covariance between two batches (forward and backward), from E[B_φ(h)·hᵀ]: no φ′. Thms 3.11, H.13."""
    overlap = np.sum(weights.rho * moments.fx)
    return float(sigma_w**2 * overlap**2 * batch_size / (mu * (batch_size - 1)))


def cross_batch_rate_backward(moments: Moments, weights: Radial, sigma_w: float = 1.0) -> float:
    """The same rate from the mean Jacobian, σ_w²·(E[(s²+ε)^(−1/2)·φ′(z)·(1 − t²x²)])². Thm I.4."""
    return float(sigma_w**2 * np.sum(weights.half * moments.g - weights.half_t2 * moments.gxx) ** 2)
