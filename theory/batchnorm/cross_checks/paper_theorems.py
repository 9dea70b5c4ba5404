"""Eigenvalues as the paper states them, ratios of quadratic forms of Gegenbauer coefficients.

Thms 3.4, F.22, F.24, G.5, H.3, H.13 of Yang et al. 2019.
An independent check of ``theory.batchnorm.eigenvalues``, for smooth φ at moderate batch size (Gegenbauer polynomials
grow like binomials, so double precision ends near B = 40). ``printed=True`` keeps the misprints that docs/errata.md
lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from phasemap.theory.activations import Activation
from phasemap.theory.integrals.radius import pochhammer
from phasemap.theory.integrals.sphere import orthonormal, smooth_rule

Terms = Float[np.ndarray, " terms"]


@dataclass(frozen=True)
class Expansion:
    """φ(√(B−1)·x) = Σ a_l·c_l⁻¹·C_l(x), C_l the Gegenbauer polynomial of order (B−3)/2, c_l = (B−3)/(B−3+2l); B ≥ 4."""

    batch_size: int
    coefficients: Terms

    @property
    def degree(self) -> Terms:
        return np.arange(len(self.coefficients), dtype=float)

    def value(self, x: float, shift: int = 0) -> Terms:
        """C_(l+shift)(x) for every l; 0 at degree −1."""
        degree = self.degree.astype(int) + shift
        values = special.eval_gegenbauer(np.maximum(degree, 0), (self.batch_size - 3) / 2, x)
        return np.where(degree < 0, 0.0, values)

    @property
    def inverse_c(self) -> Terms:
        return (self.batch_size - 3 + 2 * self.degree) / (self.batch_size - 3)

    def next_but_one(self) -> Terms:
        """a_(l+2), 0 beyond the end."""
        return np.append(self.coefficients[2:], [0.0, 0.0])


def expand(activation: Activation, batch_size: int, terms: int = 64, nodes: int = 512) -> Expansion:
    """The coefficients a_l by quadrature."""
    d = batch_size - 1
    x, w = smooth_rule(d, nodes)
    orthonormal_coefficients = (orthonormal(d, x, terms) * w) @ activation.phi(np.sqrt(d) * x)
    degree = np.arange(terms)
    inverse_c = (batch_size - 3 + 2 * degree) / (batch_size - 3)
    at_one = special.eval_gegenbauer(degree, (batch_size - 3) / 2, 1.0)
    return Expansion(batch_size, orthonormal_coefficients / np.sqrt(inverse_c * at_one))


def _c0(e: Expansion) -> float:
    return -1 / (e.batch_size - 1)


def fixed_point(e: Expansion) -> tuple[float, float]:
    """q* and q*·c* (Thm 3.4)."""
    square = e.coefficients**2 * e.inverse_c
    return float(np.sum(square * e.value(1.0))), float(np.sum(square * e.value(_c0(e))))


def _norms(e: Expansion) -> Terms:
    return e.inverse_c * (e.value(1.0) - e.value(_c0(e)))


def explosion_rate(e: Expansion) -> float:
    """λ_G↓ (Thms 3.9, G.5)."""
    b, size = e.batch_size, e.coefficients**2 * _norms(e)
    return float(np.sum((e.degree + b - 3) / (b - 3) * e.degree * size) / np.sum(size))


def forward_l(e: Expansion, *, printed: bool = False) -> float:
    """λ_L↑ (Thm F.22). As printed in the appendix the cross term has a_1·a_(l+2) where a_l·a_(l+2) is meant."""
    b, degree = e.batch_size, e.degree

    def reduced(shift: int) -> Terms:
        return e.value(1.0, shift) - 2 * (b - 1) / (b - 2) * e.value(_c0(e), shift)

    below = np.where(degree == 0, 1.0, b - 5 + 2 * degree)  # w_0 = 0
    w = degree * (b - 3 + degree) * (b - 3 + 2 * degree) / (below * (b - 1 + 2 * degree)) * reduced(0)
    u = (b - 1) / 2 / ((b - 3) * (b - 1 + 2 * degree))
    u = u * ((b - 3 + degree) * (b - 2 + degree) * reduced(0) + (degree + 1) * (degree + 2) * reduced(2))
    first = np.full_like(e.coefficients, e.coefficients[1]) if printed else e.coefficients
    top = np.sum(e.coefficients**2 * w + first * e.next_but_one() * u)
    return float(top / np.sum(e.coefficients**2 * _norms(e)))


def forward_m(e: Expansion, *, printed: bool = False) -> float:
    """λ_M↑ (Thm F.24, with the third term of ũ corrected)."""
    b, degree, c = e.batch_size, e.degree, _c0(e)
    third = (degree + 3) * (degree + 4) * (b - 3 + 2 * degree) / ((b + 2 * degree + 1) * (b + 2 * degree + 3))
    if not printed:
        third = (degree + 1) * (degree + 2) / (b - 1 + 2 * degree)
    u = (b - 3 + degree) * (b - 2 + degree) / (b - 1 + 2 * degree) * e.value(c)
    u = u + (b - 2) * (degree + 1) * (b - 2 + degree) / (b - 1 + 2 * degree) * e.value(c, 1) + third * e.value(c, 2)
    u = 2 * (b - 1) ** 3 / ((b - 3) ** 2 * (b - 2) * b) * u
    centre = 2 * (b - 1) ** 2 * (b + 2 * degree - 3) * (2 * b * degree + b + 2 * degree**2 - 6 * degree - 5)
    with np.errstate(divide="ignore", invalid="ignore"):  # B = 5, l = 0
        centre = centre / (b * (b + 2 * degree - 5) * (b + 2 * degree - 1)) - (b - 3 + 2 * degree)
        below = (b - 2) * (b - 1) ** 2 * (b - 4 + degree) ** 2 / (b * (b + 2 * degree - 5)) * e.value(c, -1)
    w = centre * e.value(c) + below
    w = w + (b - 2) * (b - 1) ** 2 * (degree + 1) ** 2 / (b * (b + 2 * degree - 1)) * e.value(c, 1)
    w = (b - 1) / ((b - 3) ** 2 * (b - 2)) * w
    w[0] = 0.0  # w̃_0 = 0, as a constant added to φ changes nothing; at B = 5 the formula gives 0/0
    top = np.sum(e.coefficients**2 * w + e.coefficients * e.next_but_one() * u)
    return float(top / np.sum(e.coefficients**2 * _norms(e)))


def cross_batch(e: Expansion) -> tuple[float, float]:
    """c_CB* = a_0² and λ_CB (Thms H.3, H.13)."""
    b, a = e.batch_size, e.coefficients
    rate = a[1] ** 2 / 2 * b * (b - 1) / float(pochhammer(b / 2, 0.5)) ** 2
    return float(a[0] ** 2), float(rate / np.sum(a**2 * _norms(e)))
