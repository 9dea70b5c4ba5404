"""The theory of plain networks once more, by another road: SciPy's adaptive quadrature, Hermite series, brentq."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from phasemap.theory.activations import Activation

Function = Callable[[np.ndarray], np.ndarray]


def expectation(f: Function, kinks: tuple[float, ...] = ()) -> float:
    """E f(g), g standard normal."""
    points = sorted({-14.0, -5.0, -2.0, -0.5, 0.5, 2.0, 5.0, 14.0, *(k for k in kinks if abs(k) < 14)})
    pieces = itertools.pairwise(points)
    density = lambda g: np.exp(-g * g / 2) / np.sqrt(2 * np.pi)  # noqa: E731
    return sum(
        quad(lambda g: float(f(np.float64(g))) * density(g), *ends, epsabs=1e-15, epsrel=1e-13, limit=400)[0]
        for ends in pieces
    )


def hermite(f: Function, s: float, terms: int) -> np.ndarray:
    """Coefficients of f(√s·g) in the orthonormal Hermite polynomials: E f(h)f(h̃) = Σ a_n²c^n (Mehler)."""
    x = np.linspace(-14, 14, 4001)
    weights = np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * (x[1] - x[0])
    values = f(np.sqrt(s) * x) * weights
    before, now, found = np.zeros_like(x), np.ones_like(x), []
    for n in range(terms):
        found.append(float(values @ now))
        before, now = now, (x * now - np.sqrt(n) * before) / np.sqrt(n + 1)
    return np.array(found)


@dataclass(frozen=True)
class Second:
    """q*, dq′/dq, c*, χ₁ and χ_c of a smooth φ with one attracting q* > 0."""

    q: float
    rate: float
    c: float
    chi_1: float
    chi_c: float


def solved(
    phi: Activation, *, sigma_w: float, sigma_b: float, keep: float, eps: float | None, bracket: tuple[float, float]
) -> Second:
    """By brentq on the length map between the two lengths of ``bracket``, and on the correlation map's power series."""
    weight, bias = sigma_w**2, sigma_b**2

    def seen(q: float) -> float:
        return q if eps is None else q / (q + eps)

    def after(q: float) -> float:
        s = np.sqrt(seen(q))
        return weight / keep * expectation(lambda g: phi.phi(s * g) ** 2) + bias

    q = brentq(lambda q: after(q) - q, *bracket, xtol=1e-15, rtol=1e-14)
    h = 1e-3 * q  # a difference of the fourth order
    rate = (8 * (after(q + h) - after(q - h)) - (after(q + 2 * h) - after(q - 2 * h))) / (12 * h)
    factor = seen(q) / q
    square = hermite(phi.phi, seen(q), 400) ** 2
    slopes = hermite(phi.derivative, seen(q), 400) ** 2

    def excess(c: float) -> float:
        return (weight * np.polynomial.polynomial.polyval(c, square) + bias) / q - c

    chi_1 = weight * factor * expectation(lambda g: phi.derivative(np.sqrt(seen(q)) * g) ** 2)
    at_one = keep == 1 and chi_1 <= 1
    c = 1.0 if at_one else brentq(excess, 0.0, 1 - 1e-3, xtol=1e-15, rtol=1e-14) if excess(0.0) > 1e-15 else 0.0
    chi_c = chi_1 if at_one else weight * factor * np.polynomial.polynomial.polyval(c, slopes)
    return Second(q, rate, c, chi_1, float(chi_c))
