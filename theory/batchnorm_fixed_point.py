"""The BSB1 fixed point of a BN layer: Σ* = (q − qc)·I + qc·11ᵀ, for any ε ≥ 0 (docs/epsilon.md).

Only the spread μ = q − qc feeds back. At ε = 0 it is a plain expectation; for ε > 0 it solves
μ = g(μ) = σ_w²·E[φ(z₁)² − φ(z₁)φ(z₂)] with z_a = √(B−1)·t·x_a and t² = s²/(s²+ε), s² = μρ²/B.
Source: Thms F.5, F.8, F.13, Yang et al. 2019; ε > 0 is derived in docs/epsilon.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import optimize

from theory.activations import Activation
from theory.batchnorm_moments import Moments
from theory.batchnorm_operators import Radial, radial
from theory.gegenbauer import gegenbauer_moments, stack
from theory.homogeneous import Homogeneous, homogeneous
from theory.sphere_integral import spherical_moments

MomentsFunction = Callable[[Activation, int, Float[np.ndarray, " t"]], tuple[Moments, Moments]]

METHODS: dict[str, MomentsFunction] = {"gegenbauer": gegenbauer_moments, "spherical": spherical_moments}
KINKED_SERIES_FROM = 16  # batch size from which the series of a kinked φ converges to rounding
COARSE = 0.7  # of the nodes of the radial rule, for the error estimate
GRID = 24


def kinks_in_reach(activation: Activation, batch_size: int, scale: float = 1.0) -> bool:
    """Whether a normalised pre-activation, which is at most √(B−1)·scale, can meet a kink of φ."""
    return any(abs(k) < np.sqrt(batch_size - 1) * scale for k in activation.kinks)


def choose_method(activation: Activation, batch_size: int) -> str:
    """The method exact to rounding and fastest: the series, or 2-D quadrature for kinks at small B."""
    kinked = batch_size < KINKED_SERIES_FROM and kinks_in_reach(activation, batch_size)
    return "spherical" if kinked else "gegenbauer"


@dataclass(frozen=True)
class FixedPoint:
    """The attracting spread μ and, unless the signal collapses (μ = 0), the moments and radial averages there."""

    mu: float
    weights: Radial | None = None
    moments: Moments | None = None


def moments_at(
    activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"], method: str
) -> tuple[Moments, Moments]:
    """Moments at each scale, fine and coarse. For φ of degree α those of f grow as t^(2α), those of φ′ as t^(2α−2)."""
    if activation.degree is None or scales.size == 1:
        if activation.kinks and not kinks_in_reach(activation, batch_size, float(scales.max())):
            activation = replace(activation, kinks=())
        if method == "spherical" and scales.size > 1 and activation.kinks:
            return _by_reach(activation, batch_size, scales)
        return METHODS[method](activation, batch_size, scales)
    alpha = float(activation.degree)
    fine, coarse = METHODS[method](activation, batch_size, np.ones(1))
    return fine.scaled(scales, alpha), coarse.scaled(scales, alpha)


def _by_reach(activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"]) -> tuple[Moments, Moments]:
    """2-D quadrature only at the scales at which a kink is in reach; elsewhere φ is smooth and the series quick."""
    reached = np.array([kinks_in_reach(activation, batch_size, float(t)) for t in scales])
    smooth = replace(activation, kinks=())
    parts = [(reached, activation, "spherical"), (~reached, smooth, "gegenbauer")]
    results = [(mask, METHODS[name](phi, batch_size, scales[mask])) for mask, phi, name in parts if mask.any()]
    order = np.argsort(np.concatenate([np.flatnonzero(mask) for mask, _ in results]), kind="stable")
    return stack([fine for _, (fine, _) in results]).take(order), stack([coarse for _, (_, coarse) in results]).take(
        order
    )


def slopes_at_zero(activation: Activation) -> tuple[float, float]:
    """φ′(0+) and φ′(0−)."""
    with np.errstate(all="ignore"):
        right, left = activation.derivative(np.array([1e-200, -1e-200]))
    return float(right), float(left)


def critical_eps(activation: Activation, batch_size: int, sigma_w: float = 1.0) -> float:
    """The ε above which μ = 0 attracts: σ_w²·φ′(0)² if φ is differentiable at 0.

    With one-sided slopes it is σ_w²·(B−1)/(2B)·(J(1) − J(−1/(B−1))) of the kinked line, the same if both are equal.
    Infinite if φ is steeper than linear at 0.
    """
    a, b = slopes_at_zero(activation)
    if not np.isfinite(a * b):
        return float("inf")
    if a == b:
        return sigma_w**2 * a * a
    line = Homogeneous(a, b, 1.0)
    kernel = float(line.kernel(-1 / (batch_size - 1)))
    return sigma_w**2 * (batch_size - 1) / (2 * batch_size) * (a * a + b * b - kernel)


def collapsed_rate(activation: Activation, batch_size: int, eps: float, sigma_w: float = 1.0) -> float:
    """λ_G↓ at μ = 0: σ_w²·φ′(0)²/ε, or its average over the signs of the samples if φ has a kink at 0."""
    a, b = slopes_at_zero(activation)
    if a == b:
        return sigma_w**2 * a * a / eps
    c = -1 / (batch_size - 1)
    same = np.arccos(-c) / (2 * np.pi)  # probability that both samples are positive
    product = same * (a * a + b * b) + (1 - 2 * same) * a * b
    mean_square = (a * a + b * b) / 2
    return float(sigma_w**2 * (batch_size - 1) / batch_size / eps * (mean_square - c * product))


def fixed_point(
    activation: Activation, batch_size: int, eps: float, sigma_w: float, method: str
) -> tuple[FixedPoint, FixedPoint]:
    """The largest attracting fixed point, which is the one that inputs of ordinary size reach; fine and coarse.

    The coarse one is solved with coarser quadrature throughout, so that the difference of anything computed from both
    shows its error. A smaller fixed point, or collapse to μ = 0, is found only if no larger exists.
    """
    if eps == 0:
        pair = moments_at(activation, batch_size, np.ones(1), method)
        points = []
        for moments in pair:
            mu = sigma_w**2 * float(moments.ff[0] - moments.f00[0])
            points.append(FixedPoint(mu, radial(batch_size, mu, 0.0), moments) if mu > 0 else FixedPoint(0.0))
        return points[0], points[1]
    guess = _largest_root(activation, batch_size, eps, sigma_w)
    if guess is None:
        return FixedPoint(0.0), FixedPoint(0.0)
    fine = _solve(activation, batch_size, eps, sigma_w, method, guess, coarse=False)
    low, _, high = guess
    coarse = _solve(activation, batch_size, eps, sigma_w, method, (low, float(np.log(fine.mu)), high), coarse=True)
    return fine, coarse


def _solve(
    activation: Activation,
    batch_size: int,
    eps: float,
    sigma_w: float,
    method: str,
    guess: tuple[float, float, float],
    *,
    coarse: bool,
) -> FixedPoint:
    """μ = g(μ) near the guess (low, start, high) of log μ, at fine or coarse resolution."""
    resolution = COARSE if coarse else 1.0

    def point(log_mu: float) -> FixedPoint:
        weights = radial(batch_size, float(np.exp(log_mu)), eps, resolution, activation.kinks)
        pair = moments_at(activation, batch_size, weights.scales, method)
        return FixedPoint(float(np.exp(log_mu)), weights, pair[1] if coarse else pair[0])

    def log_growth(log_mu: float) -> float:
        here = point(log_mu)
        assert here.weights is not None
        assert here.moments is not None
        contrast = here.moments.ff - here.moments.f00
        return float(np.log(sigma_w**2 * np.sum(here.weights.one * contrast)) - log_mu)

    return point(_secant(log_growth, *guess))


def _secant(function: Callable[[float], float], low: float, start: float, high: float) -> float:
    """The root near ``start`` by the secant rule, or by bisection inside [low, high] if that strays."""
    x0, x1 = start, start + 1e-5
    y0, y1 = function(x0), function(x1)
    for _ in range(12):
        if y1 == 0 or y1 == y0:
            return x1
        x0, x1, y0 = x1, x1 - y1 * (x1 - x0) / (y1 - y0), y1
        if not low <= x1 <= high:
            break
        if abs(x1 - x0) < 1e-13:
            return x1
        y1 = function(x1)
    return float(optimize.brentq(function, low, high, xtol=1e-15)) if function(low) * function(high) < 0 else start


@lru_cache(maxsize=256)
def _contrast_table(activation: Activation, batch_size: int) -> Float[np.ndarray, " k"]:
    """Chebyshev coefficients of H(t)/t², H(t) = E[f₁² − f₁f₂], on t ∈ [0, 1]: to bracket fixed points cheaply."""
    nodes = np.cos(np.pi * (np.arange(GRID) + 0.5) / GRID)
    t = (nodes + 1) / 2
    moments, _ = gegenbauer_moments(activation, batch_size, t, 1e-7)
    values = (moments.ff - moments.f00) / t**2
    return np.polynomial.chebyshev.chebfit(nodes, values, GRID - 1)


def _growth(activation: Activation, batch_size: int, eps: float, sigma_w: float) -> Callable[[float], float]:
    """log μ ↦ log(g(μ)/μ), approximately."""
    phi = homogeneous(activation)
    coefficients = np.zeros(1) if phi else _contrast_table(activation, batch_size)
    at_one = float(gegenbauer_moments(activation, batch_size, np.ones(1), 1e-7)[0].ff[0]) if phi else 0.0
    contrast = 0.0
    if phi:
        k = float(phi.a**2 + phi.b**2)
        contrast = at_one * (1 - float(phi.kernel(-1 / (batch_size - 1))) / k)

    def growth(log_mu: float) -> float:
        weights = radial(batch_size, float(np.exp(log_mu)), eps, 0.5)
        t = weights.scales
        if phi:
            h = contrast * t ** (2 * phi.alpha)
        else:
            h = np.polynomial.chebyshev.chebval(2 * t - 1, coefficients) * t**2
        return float(np.log(max(sigma_w**2 * np.sum(weights.one * h), 1e-300)) - log_mu)

    return growth


def _largest_root(
    activation: Activation, batch_size: int, eps: float, sigma_w: float
) -> tuple[float, float, float] | None:
    """(low, estimate, high) of log μ at the largest zero of log(g(μ)/μ), or None if g(μ) < μ for every μ > 0."""
    growth = _growth(activation, batch_size, eps, sigma_w)
    top = np.log(max(sigma_w**2, eps)) + 60.0  # g is bounded by its value at ε = 0 for bounded t
    high = growth(top) + top + 0.5  # log g(∞), and a margin
    if growth(high) > 0:
        high = top
    upper = high
    step = 0.5
    for _ in range(160):
        lower = upper - step
        if growth(lower) >= 0:
            return lower, float(optimize.brentq(growth, lower, upper, xtol=1e-10)), upper
        upper = lower
    return None
