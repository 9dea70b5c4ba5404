"""Averages over the radius of a centred batch, as weights on the scales at which φ's moments are taken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from phasemap.theory.integrals.radius import chi_square_rule, pochhammer

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
