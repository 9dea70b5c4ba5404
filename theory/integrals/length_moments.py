"""Expectations over one Gaussian: E φ(h)², its derivative by the variance of h, and E φ′(h)²."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.homogeneous import homogeneous
from phasemap.theory.integrals.gaussian_closed_forms import DegreeOne, ErfMixture, Sine
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.gaussian_transforms import transforms


@dataclass(frozen=True)
class LengthMoments:
    """At each variance q: V(q) = E φ(h)², V′(q) = E h·φ(h)φ′(h)/q (by parts), and E φ′(h)²; infinite where it is."""

    v: Array
    rate: Array
    slopes: Array


def length_moments(activation: Activation, variance: Array) -> LengthMoments:
    """The moments at variances q > 0, elementwise.

    Raises:
        InputError: φ needs quadrature, and E φ² or E φ′² does not converge.
    """
    rule = transforms(activation)
    if isinstance(rule, DegreeOne):
        half = np.full_like(variance, (rule.a**2 + rule.b**2) / 2)
        return LengthMoments(half * variance, half, half)
    if isinstance(rule, ErfMixture):
        return _of_mixture(rule, variance)
    if isinstance(rule, Sine):
        return LengthMoments(-np.expm1(-2 * variance) / 2, np.exp(-2 * variance), (1 + np.exp(-2 * variance)) / 2)
    power = homogeneous(activation)
    if power is not None:
        size, alpha = power.a**2 + power.b**2, power.alpha
        with np.errstate(over="ignore"):
            v = size * power.c_alpha * variance**alpha
            slopes = size * alpha**2 * _half_moment(alpha - 1) * variance ** (alpha - 1)
        return LengthMoments(v, alpha * v / variance, slopes)
    from phasemap.theory.integrals.gaussian_quadrature import Quadrature

    assert isinstance(rule, Quadrature)
    found = np.array([rule.lengths(float(q)) for q in variance.flat]).reshape(*variance.shape, 3)
    return LengthMoments(found[..., 0], found[..., 1], found[..., 2])


def _half_moment(alpha: float) -> float:
    """E max(g, 0)^(2α) of a standard Gaussian g; infinite for α ≤ −1/2."""
    from scipy import special

    return float(2 ** (alpha - 1) * special.gamma(alpha + 0.5) / np.sqrt(np.pi)) if alpha > -0.5 else np.inf


def _of_mixture(rule: ErfMixture, variance: Array) -> LengthMoments:
    """V = Σ arctan(q/r), r = √(P + qT), so that V′ = Σ (P + qT/2)/(r·(r² + q²))."""
    q = variance[..., None]
    product, total = rule.squares
    weights = rule.weights * (2 / np.pi)
    square = product + q * total
    root = np.sqrt(square)
    rates = (product + q * total / 2) / (root * (square + q * q))
    return LengthMoments(np.arctan2(q, root) @ weights, rates @ weights, (1 / root) @ weights)
