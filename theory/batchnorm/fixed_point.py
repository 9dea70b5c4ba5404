"""The BSB1 fixed point of a BN layer: Σ* = (q − qc)·I + qc·11ᵀ, for any ε ≥ 0 (docs/epsilon.md).

Only the spread μ = q − qc feeds back. At ε = 0 it is a plain expectation; for ε > 0 it solves
μ = g(μ) = σ_w²·E[φ(z₁)² − φ(z₁)φ(z₂)] with z_a = √(B−1)·t·x_a and t² = s²/(s²+ε), s² = μρ²/B.
Source: Thms F.5, F.8, F.13, Yang et al. 2019; ε > 0 is derived in docs/epsilon.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from phasemap.theory.activations import Activation, value_at_zero
from phasemap.theory.batchnorm.moments.moments import Moments
from phasemap.theory.batchnorm.moments.radial_average import Radial, radial
from phasemap.theory.batchnorm.moments.table import PowerTable, Table, moments_at, table
from phasemap.theory.homogeneous import Homogeneous
from phasemap.theory.integrals.radius import chi_square_rule

STEEPEST = 1e15
COARSE = 0.7  # of the nodes of the radial rule, for the error estimate
STEP = 0.2  # of log μ in the search for fixed points
NEGLIGIBLE = 1e-9  # share of ε below which, at the critical ε, μ is 0
SMALLEST = 80.0  # how far below its largest value log μ is searched


@dataclass(frozen=True)
class FixedPoint:
    """The attracting spread μ and, unless the signal collapses (μ = 0), the moments and radial averages there."""

    mu: float
    weights: Radial | None = None
    moments: Moments | None = None


def slopes_at_zero(activation: Activation) -> tuple[float, float]:
    """φ′(0+) and φ′(0−)."""
    with np.errstate(all="ignore"):
        right, left = activation.derivative(np.array([1e-200, -1e-200]))
    return _slope(float(right)), _slope(float(left))


def _slope(value: float) -> float:
    """Infinite where it is so steep that φ has none there, as |z|^α with α < 1."""
    return math.copysign(math.inf, value) if abs(value) > STEEPEST else value


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
        points = []
        for moments in moments_at(activation, batch_size, np.ones(1), method):
            mu = sigma_w**2 * float(moments.ff[0] - moments.f00[0])
            if moments.ff[0] <= (1e-13 * value_at_zero(activation)) ** 2:  # constant to rounding
                mu = 0.0
            points.append(FixedPoint(mu, radial(batch_size, mu, 0.0), moments) if mu > 0 else FixedPoint(0.0))
        return points[0], points[1]
    found = table(activation, batch_size, method)
    bracket = _largest_root(found, batch_size, eps, sigma_w)
    if bracket is None:
        return FixedPoint(0.0), FixedPoint(0.0)
    fine, coarse = (_solve(activation, found, batch_size, eps, sigma_w, bracket, rough) for rough in (False, True))
    critical = critical_eps(activation, batch_size, sigma_w)
    if fine.mu <= NEGLIGIBLE * eps and abs(eps - critical) <= 1e-14 * eps:
        return FixedPoint(0.0), FixedPoint(0.0)  # at the critical ε μ is 0, and what was found is rounding
    return fine, coarse


def _solve(
    activation: Activation,
    found: Table | PowerTable,
    batch_size: int,
    eps: float,
    sigma_w: float,
    bracket: tuple[float, float],
    coarse: bool,
) -> FixedPoint:
    """μ = g(μ) with log μ in the bracket, at fine or coarse resolution."""
    resolution = COARSE if coarse else 1.0

    def point(log_mu: float) -> tuple[Radial, Moments]:
        weights = radial(batch_size, float(np.exp(log_mu)), eps, resolution, activation.kinks)
        return weights, found(weights.scales, coarse=coarse)

    def log_growth(log_mu: float) -> float:
        weights, moments = point(log_mu)
        return float(np.log(sigma_w**2 * np.sum(weights.one * (moments.ff - moments.f00))) - log_mu)

    log_mu = _root(log_growth, *bracket)
    return FixedPoint(float(np.exp(log_mu)), *point(log_mu))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """A root by the secant rule from a bracket found with an approximate function; by bisection if it strays."""
    x0, x1 = low, high
    y0, y1 = function(x0), function(x1)
    for _ in range(12):
        if y1 == y0:
            break
        x0, x1, y0 = x1, x1 - y1 * (x1 - x0) / (y1 - y0), y1
        if abs(x1 - x0) < 2e-14 * max(1.0, abs(x1)):
            return x1
        if not low - STEP <= x1 <= high + STEP:
            break
        y1 = function(x1)
    below, above = low - STEP, high + STEP
    if function(below) * function(above) > 0:
        return 0.5 * (low + high)
    from scipy import optimize  # a third of a second, for the few that need it

    return float(optimize.brentq(function, below, above, xtol=1e-15))


def _largest_root(found: Table | PowerTable, batch_size: int, eps: float, sigma_w: float) -> tuple[float, float] | None:
    """Bounds on log μ at the largest zero of log(g(μ)/μ), or None if g(μ) < μ for every μ > 0."""
    rho2, weights = chi_square_rule(batch_size - 1, 0.5)
    top = np.log(max(sigma_w**2 * found.ceiling, 1e-300)) + STEP
    log_mu = np.arange(top, top - SMALLEST, -STEP)
    growing = sigma_w**2 * found.growth(batch_size, rho2, weights, eps, np.exp(log_mu)) >= 1
    if not growing.any():
        return None
    first = max(int(np.argmax(growing)), 1)
    low, high = log_mu[first], log_mu[first - 1]
    for _ in range(8):
        middle = 0.5 * (low + high)
        grows = sigma_w**2 * found.growth(batch_size, rho2, weights, eps, np.exp(np.array([middle])))[0] >= 1
        low, high = (middle, high) if grows else (low, middle)
    return float(low), float(high)
