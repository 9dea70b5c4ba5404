"""One coordinate of a uniform point on a sphere: quadrature rules, orthonormal polynomials, Legendre functions.

A batch of B pre-activations, centred and normalised, is √B·e·v with v uniform on the unit sphere of R^d, d = B − 1.
Sample a sees z_a = √(B−1)·x_a, where x_a is the cosine of v to one of B axes whose mutual cosine is −1/(B−1).
One cosine has density ∝ (1−x²)^((d−3)/2) on [−1, 1]. Source: App. E.3 and E.4, Yang et al. 2019.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

LOG_NEGLIGIBLE = 46.0  # e^-46 = 1e-20: density below this fraction of its maximum is left out


@lru_cache(maxsize=512)
def smooth_rule(dimension: int, nodes: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Nodes and weights (unit mass) of one cosine on the sphere in R^dimension, for smooth integrands.

    From d = 32 the trapezoid rule after x = tanh u, where the density is sech^(d−1)(u): accurate at d = 10⁶ too, where
    the edge weights of a Gauss–Gegenbauer rule overflow. Below, where the range of u is long and polynomials of high
    degree would be under-resolved, Gauss–Legendre in the latitude.
    """
    if dimension < 32:
        return piecewise_rule(dimension, np.zeros(0), nodes)
    edge = np.arccosh(np.exp(LOG_NEGLIGIBLE / (dimension - 1)))
    u = np.linspace(-edge, edge, nodes)
    log_density = -(dimension - 1) * np.log1p(2 * np.sinh(u / 2) ** 2)  # log cosh u without cancellation at 0
    weights = np.exp(log_density)
    return np.tanh(u), weights / weights.sum()


PANEL = 64


@lru_cache(maxsize=64)
def legendre_nodes(nodes: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Gauss–Legendre nodes and weights on [0, 1]; from 2·PANEL nodes on, equal panels of about PANEL nodes each."""
    panels = max(1, nodes // PANEL)
    x, w = np.polynomial.legendre.leggauss(nodes // panels)
    start = np.arange(panels)[:, None]
    return ((start + (x + 1) / 2) / panels).ravel(), np.tile(w / 2 / panels, panels)


def composite_rule(
    edges: Float[np.ndarray, " m"], nodes: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """A rule on the pieces between edges that also copes with square-root behaviour at every edge."""
    s, w = legendre_nodes(nodes)
    width = np.diff(edges)[:, None]
    points = edges[:-1, None] + width * np.sin(np.pi * s / 2) ** 2
    weights = width * w * np.pi * np.sin(np.pi * s / 2) * np.cos(np.pi * s / 2)
    return points.ravel(), weights.ravel()


def latitude_limit(dimension: int) -> float:
    """The latitude τ (x = sin τ) beyond which the density cos^(d−2) τ is negligible; π/2 in low dimension."""
    if dimension <= 2:
        return float(np.pi / 2)
    return float(min(np.pi / 2, np.arccos(np.exp(-LOG_NEGLIGIBLE / (dimension - 2)))))


def pieces(breakpoints: Float[np.ndarray, " k"], limit: float) -> Float[np.ndarray, " m"]:
    """Sorted edges −limit < breakpoints < limit of the pieces on which an integrand is smooth."""
    inside = breakpoints[np.abs(breakpoints) < limit]
    return np.unique(np.concatenate([[-limit], inside, [limit]]))


def piecewise_rule(
    dimension: int, kinks: Float[np.ndarray, " k"], nodes: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Nodes and weights (unit mass) of one cosine, split at ``kinks`` (values of x): ``nodes`` per piece.

    Gauss–Legendre in the latitude τ, x = sin τ, where the density is cos^(d−2) τ.
    """
    limit = latitude_limit(dimension)
    edges = pieces(np.arcsin(kinks[np.abs(kinks) < 1]), limit)
    s, w = legendre_nodes(nodes)
    width = np.diff(edges)[:, None]
    latitude = (edges[:-1, None] + width * s).ravel()
    weights = (width * w).ravel() * density(latitude, dimension)
    return np.sin(latitude), weights / weights.sum()


def density(latitude: Float[np.ndarray, "*n"], dimension: int) -> Float[np.ndarray, "*n"]:
    """cos^(d−2) τ, without underflow warnings; relative to its maximum at the equator."""
    if dimension == 2:
        return np.ones_like(latitude)
    cosine = np.maximum(np.cos(latitude), 1e-300)
    return np.exp((dimension - 2) * np.log(cosine))


@lru_cache(maxsize=512)
def recurrence(dimension: int, terms: int) -> Float[np.ndarray, " terms"]:
    """b_l of x·p_l = b_(l+1)·p_(l+1) + b_l·p_(l−1) for the orthonormal polynomials of one cosine; b_0 = 0."""
    degree = np.arange(terms, dtype=float)
    b = np.zeros(terms)
    b[1:2] = 1 / np.sqrt(dimension)
    high = degree[2:]
    b[2:] = np.sqrt(high * (high + dimension - 3) / ((2 * high + dimension - 4) * (2 * high + dimension - 2)))
    return b


def orthonormal(dimension: int, x: Float[np.ndarray, "*n"], terms: int) -> Float[np.ndarray, " terms *n"]:
    """The orthonormal (Gegenbauer) polynomials p_0 … p_(terms−1) of one cosine at x.

    p_l = C_l^((d−2)/2)·√((2l+d−2)/((d−2)·C_l(1))), by the three-term recurrence, which is stable inside [−1, 1].
    """
    b = recurrence(dimension, terms + 1)
    p = np.empty((terms, *x.shape))
    p[0] = 1
    for degree in range(1, terms):
        p[degree] = x * p[degree - 1]
        if degree > 1:
            p[degree] -= b[degree - 1] * p[degree - 2]
        p[degree] /= b[degree]
    return p


def weight_powers(x: Float[np.ndarray, "*n"], w: Float[np.ndarray, "*n"]) -> tuple[Float[np.ndarray, "*n _"], ...]:
    """Weights for the moments of one cosine: columns (w, w·x), (w, w·x²) and (w, w·x², w·x⁴)."""
    square = w * x * x
    return np.stack([w, w * x], -1), np.stack([w, square], -1), np.stack([w, square, square * x * x], -1)


@lru_cache(maxsize=256)
def smooth_weights(dimension: int, nodes: int) -> tuple[Float[np.ndarray, "n _"], ...]:
    """``weight_powers`` of ``smooth_rule``."""
    return weight_powers(*smooth_rule(dimension, nodes))


def smooth_basis(dimension: int, nodes: int, terms: int) -> Float[np.ndarray, "terms n"]:
    """``orthonormal`` at the nodes of ``smooth_rule``, times its weights: rows turn values into coefficients."""
    if nodes * terms <= KEPT:
        return _kept_basis(dimension, nodes, terms)
    x, w = smooth_rule(dimension, nodes)
    return orthonormal(dimension, x, terms) * w


KEPT = 100_000  # the size up to which a basis is kept for the next activation


@lru_cache(maxsize=128)
def _kept_basis(dimension: int, nodes: int, terms: int) -> Float[np.ndarray, "terms n"]:
    x, w = smooth_rule(dimension, nodes)
    return orthonormal(dimension, x, terms) * w


@lru_cache(maxsize=512)
def legendre(dimension: int, cosine: float, terms: int) -> Float[np.ndarray, " terms"]:
    """P_l(c) = C_l(c)/C_l(1), l < terms: E p_l(x₁)·p_m(x₂) = δ_lm·P_l(c) for axes at mutual cosine c (Fact E.46)."""
    values = np.empty(terms)
    values[:1] = 1
    values[1:2] = cosine
    for degree in range(1, terms - 1):
        values[degree + 1] = ((2 * degree + dimension - 2) * cosine * values[degree] - degree * values[degree - 1]) / (
            degree + dimension - 2
        )
    return values
