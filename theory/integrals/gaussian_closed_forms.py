"""Transforms V, W and D without quadrature: degree-1 activations, mixtures of erf, and sin.

Sources: the arc-cosine kernel (Cho & Saul 2009), the arcsine kernel, and the characteristic function of a Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from phasemap.theory.integrals.gaussian_moments import Array, Moments


@dataclass(frozen=True)
class DegreeOne:
    """φ(z) = a·max(z, 0) + b·max(−z, 0). With cos θ = λ/q and j(θ) = sin θ − θ cos θ,

    W = ½(a² + b²)λ + (a + b)²·q·j(θ)/2π and D = ½(a² + b²)t − (a + b)²·q·j(θ)/2π.
    """

    a: float
    b: float

    def __call__(self, variance: Array, gap: Array, covariance: Array) -> Moments:
        half = (self.a**2 + self.b**2) / 2
        delta = np.divide(gap, variance, out=np.zeros_like(variance), where=variance > 0)
        theta = 2 * np.arcsin(np.sqrt(np.clip(delta / 2, 0, 1)))
        # j(θ) = θ²·j₁(θ), the spherical Bessel function: no cancellation at small θ, where j(θ) ≈ θ³/3
        bend = (self.a + self.b) ** 2 / (2 * np.pi) * variance * theta**2 * special.spherical_jn(1, theta)
        return Moments(half * variance, np.full_like(variance, half), half * covariance + bend, half * gap - bend)


@dataclass(frozen=True)
class ErfMixture:
    """φ(z) = Σ_i w_i·erf(z/(k_i·√2)): for one pair (i, j), with r² = (k_i² + q)(k_j² + q),

    E erf·erf = (2/π)·arcsin(λ/r) and E erf′·erf′ = (2/π)/√(r² − q²) (its λ-derivative at λ = q: Price's theorem).
    √(r² − λ²) is written without cancellation, and the difference of two arcsines as one arctangent, so that every
    transform has full relative precision for 0 ≤ q ≤ 1e70 and any gap.

    Attributes:
        squares: k_i·k_j and k_i² + k_j² for the pairs i ≤ j, shape [2, pairs].
        weights: w_i·w_j, doubled for i < j, shape [pairs].
    """

    squares: Float[np.ndarray, "2 pairs"]
    weights: Float[np.ndarray, " pairs"]

    @classmethod
    def of(cls, scales: Float[np.ndarray, " nodes"], weights: Float[np.ndarray, " nodes"]) -> ErfMixture:
        i, j = np.triu_indices(len(scales))
        pairs = np.stack([(scales[i] * scales[j]) ** 2, scales[i] ** 2 + scales[j] ** 2])
        return cls(pairs, weights[i] * weights[j] * np.where(i == j, 1.0, 2.0))

    def __call__(self, variance: Array, gap: Array, covariance: Array) -> Moments:
        q, t, lam = variance[..., None], gap[..., None], covariance[..., None]
        product, total = self.squares
        weights = self.weights * (2 / np.pi)
        root_q = np.sqrt(product + q * total)  # √(r² − q²)
        q2_minus_lam2 = t * (q + lam)
        root_lam = np.sqrt(product + q * total + q2_minus_lam2)  # √(r² − λ²)
        v = np.arctan2(q, root_q) @ weights
        w = np.arctan2(lam, root_lam) @ weights
        # arcsin(q/r) − arcsin(λ/r) as the angle with this sine and cosine (times r²); for λ < 0 V − W does not cancel
        r2 = product + q * (total + q)
        sine = r2 * q2_minus_lam2 / (q * root_lam + np.abs(lam) * root_q + np.finfo(float).tiny)
        difference = np.arctan2(sine, root_q * root_lam + q * np.abs(lam)) @ weights
        return Moments(v, (1 / root_q) @ weights, w, np.where(covariance >= 0, difference, v - w))


@dataclass(frozen=True)
class Sine:
    """φ = sin: V = (1 − e^(−2q))/2, W = e^(−q)·sinh λ, D = ½(1 − e^(−t))(1 + e^(t − 2q))."""

    def __call__(self, variance: Array, gap: Array, covariance: Array) -> Moments:
        below = np.where(covariance >= 0, gap, 2 * variance - gap)  # q − |λ| without rounding error
        w = np.sign(covariance) * np.exp(-below) * -np.expm1(-2 * np.abs(covariance)) / 2
        difference = -np.expm1(-gap) * (1 + np.exp(gap - 2 * variance)) / 2
        return Moments(-np.expm1(-2 * variance) / 2, (1 + np.exp(-2 * variance)) / 2, w, difference)
