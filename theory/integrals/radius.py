"""The radius of a Gaussian vector: quadrature over ρ ~ χ_d, and ratios of Gamma functions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import special

from phasemap.theory.integrals.sphere import composite_rule

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)


def scaled_pochhammer(a: Float[np.ndarray, "*n"] | float, b: float) -> Float[np.ndarray, "*n"]:
    """P(a, b)/a^b = Γ(a+b)/(Γ(a)·a^b), to a few units in the last place; tends to 1 as a → ∞ and cannot overflow then.

    (A difference of two log Γ of size 10⁴ would lose 1e-12 at a = 2000.)
    """
    a = np.asarray(a, dtype=float)
    big = np.maximum(a, 30.0)
    series = sum(c * ((big + b) ** (-2 * k - 1) - big ** (-2 * k - 1)) for k, c in enumerate(_STIRLING))
    stirling = np.exp((big + b - 0.5) * np.log1p(b / big) - b + series)
    small = np.minimum(a, 30.0)
    if b < 100:
        direct = special.gamma(small + b) / special.gamma(small)
    else:
        direct = np.exp(special.gammaln(small + b) - special.gammaln(small))
    return np.where(a > 30, stirling, direct / small**b)


def pochhammer(a: Float[np.ndarray, "*n"] | float, b: float) -> Float[np.ndarray, "*n"]:
    """P(a, b) = Γ(a+b)/Γ(a)."""
    return np.asarray(scaled_pochhammer(a, b) * np.asarray(a, dtype=float) ** b)


@lru_cache(maxsize=256)
def chi_square_rule(
    dimension: int, resolution: float = 1.0, breaks: tuple[float, ...] = ()
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Nodes and weights (unit mass) for ρ² ~ χ²_dimension, ρ the radius of a standard Gaussian in R^dimension.

    The trapezoid rule in u = log ρ, with density ∝ exp(d·u − e^(2u)/2), which falls over a width of 1/√(2d) on the
    right and no faster than e^(d·u) on the left. Integrands of BN with ε > 0 have poles at ρ² = −Bε/μ, which in u stay
    at distance π/2 from the real axis however small ε is. At ``breaks`` (values of ρ²) the integrand may be rough,
    and the range is split. ``resolution`` multiplies the number of nodes.
    """
    d = float(dimension)
    mode = 0.5 * np.log(d)
    left, right = _edge(d, -1.0), _edge(d, 1.0)
    nodes = int(np.ceil(resolution * 4 * np.sqrt(2 * d) * (1 + 4 / d) * (right - left)))
    inside = [0.5 * np.log(b) for b in breaks if 0 < b < np.inf and left < 0.5 * np.log(b) < right]
    if inside:
        u, weights = composite_rule(np.unique([left, *inside, right]), nodes)
    else:
        u, weights = np.linspace(left, right, nodes), np.ones(nodes)
    weights = weights * np.exp(d * (u - mode) - 0.5 * d * np.expm1(2 * (u - mode)))
    return np.exp(2 * u), weights / weights.sum()


def _edge(d: float, side: float) -> float:
    """Where the density of u = log ρ has fallen to e^−40 of its maximum, on the given side of the mode."""
    low, high = 0.0, 60.0
    for _ in range(100):
        step = 0.5 * (low + high)
        fall = d * (0.5 * np.expm1(2 * side * min(step, 300.0)) - side * step)
        low, high = (step, high) if fall < 40 else (low, step)
    return float(0.5 * np.log(d) + side * high)
