"""E φ′(z)φ′(z′) of two correlated Gaussians: what a layer multiplies the product of two inputs' gradients by."""

from __future__ import annotations

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.integrals.gaussian_closed_forms import DegreeOne, ErfMixture, Sine
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.gaussian_transforms import transforms


def slope_covariance(activation: Activation, variance: Array, gap: Array, covariance: Array) -> Array:
    """Wφ′(q, λ) = E φ′(z)φ′(z′) = ∂Wφ/∂λ (Price's theorem), elementwise over arrays of one shape.

    Args:
        variance: q > 0. gap: t = q − λ, from 0 to 2q. covariance: λ. As ``theory.integrals.gaussian_moments`` has them.

    Raises:
        InputError: φ needs quadrature (no closed form), and E φ′² does not converge.
    """
    rule = transforms(activation)
    if isinstance(rule, DegreeOne):
        opposite = 2 * np.arcsin(np.sqrt(np.clip(gap / (2 * variance), 0, 1))) / (2 * np.pi)  # P(z > 0 > z′)
        return (rule.a**2 + rule.b**2) * (0.5 - opposite) - 2 * rule.a * rule.b * opposite
    if isinstance(rule, ErfMixture):
        q, t, lam = variance[..., None], gap[..., None], covariance[..., None]
        product, total = rule.squares
        slopes: Array = (1 / np.sqrt(product + q * total + t * (q + lam))) @ (rule.weights * (2 / np.pi))
        return slopes
    if isinstance(rule, Sine):
        return (np.exp(-gap) + np.exp(gap - 2 * variance)) / 2
    from phasemap.theory.integrals.gaussian_quadrature import Quadrature

    return Quadrature(slope_of(activation))(variance, gap, covariance).w


def slope_of(activation: Activation) -> Activation:
    """φ′ in place of φ; its own derivative is left out."""
    degree = None if activation.degree is None else activation.degree - 1
    return Activation(activation.name, activation.derivative, np.zeros_like, activation.kinks, degree, "φ′")
