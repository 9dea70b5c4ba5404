"""The limit of infinite batches: samples decouple, and every expectation is over one standard Gaussian.

With z = τ·g, τ² = μ/(μ+ε): μ = σ_w²·Var φ(z), λ_G↓ = λ_L↓ = σ_w²·E φ′(z)²/(μ+ε),
λ_M↓ = λ_M↑ = λ_CB = σ_w²·(E φ′(z))²/(μ+ε), λ_L↑ = σ_w²·dVar φ/dτ²/(μ+ε) and λ_G↑ = λ_L↑·ε/(μ+ε).
Limits of Thms 3.4–3.11 as B → ∞ (docs/epsilon.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation, value_at_zero
from phasemap.theory.batchnorm.attracting import unstable
from phasemap.theory.batchnorm.eigenvalues import Eigenvalues
from phasemap.theory.batchnorm.fixed_point import critical_eps, slopes_at_zero
from phasemap.theory.batchnorm.gradient_explosion import DepthScale, check_scales
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.sphere import legendre_nodes

REACH = 9.5  # standard deviations; the density there is 1e-20 of its maximum
NODES = 512
LARGE = 10**9  # stands for ∞ in the one formula that is stable there


@dataclass(frozen=True)
class InfiniteBatch:
    """Everything at the fixed point for B → ∞; the same names as in ``batchnorm_record``."""

    q_star: float
    c_star: float
    mu_star: float
    forward: Eigenvalues
    backward: Eigenvalues
    cross_batch: float
    rate: float

    @property
    def depth_scale(self) -> DepthScale:
        return DepthScale.of(self.backward.G, 1e-13 * self.backward.G)


def gaussian_rule(
    kinks: tuple[float, ...], nodes: int = NODES
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Nodes and weights (unit mass) for a standard Gaussian, split at kinks."""
    edges = np.unique([-REACH, *(k for k in kinks if abs(k) < REACH), 0.0, REACH])
    s, w = legendre_nodes(nodes)
    width = np.diff(edges)[:, None]
    g = (edges[:-1, None] + width * s).ravel()
    weights = (width * w).ravel() * np.exp(-g * g / 2)
    return g, weights / weights.sum()


def infinite_batch(
    activation: Activation, *, eps: float = 0.0, sigma_w: float = 1.0, sigma_b: float = 0.0, nodes: int = NODES
) -> InfiniteBatch:
    """The limit B → ∞ of every quantity, with ``nodes`` quadrature points on each smooth piece.

    Raises:
        InputError: φ is constant (μ* = 0 at ε = 0), or ε is so large that the signal collapses where φ has a kink.
    """
    zero = value_at_zero(activation)

    def moments(tau: float) -> tuple[float, float, float, float, float, float]:
        kinks = tuple(k / tau for k in activation.kinks) if tau > 0 else ()
        g, w = gaussian_rule(kinks, nodes)
        f, slope = activation.phi(tau * g) - zero, activation.derivative(tau * g)
        curved = g * g - 1
        mean, size = float(w @ f), float(np.sqrt(w @ (f * f)))
        mean = mean if abs(mean) > 1e-15 * size else 0.0  # odd φ: exactly 0
        change = float(w @ (f * f * curved)) - 2 * mean * float(w @ (f * curved))  # 2τ²·dVar φ/dτ²
        return mean, float(w @ (f * f)), float(w @ (slope * slope)), float(w @ slope), float(w @ (f * g)), change

    def excess(log_mu: float) -> float:
        mean, square, *_ = moments(float(np.sqrt(1 / (1 + eps * np.exp(-log_mu)))))
        return float(np.log(max(sigma_w**2 * (square - mean**2), 1e-300)) - log_mu)

    if eps == 0:
        mean, square, *_ = moments(1.0)
        mu = sigma_w**2 * (square - mean**2)
    else:
        growing = [x for x in np.arange(np.log(max(sigma_w**2, eps)) + 20, np.log(eps) - 60, -0.25) if excess(x) >= 0]
        from scipy import optimize  # a third of a second, for the few that need it

        mu = float(np.exp(optimize.brentq(excess, growing[0], growing[0] + 0.25, xtol=1e-15))) if growing else 0.0
    if mu <= 1e-11 * eps or mu <= 1e-300:  # at the critical ε, rounding decides
        return _collapsed(activation, eps, sigma_w, sigma_b, zero)
    mean, square, slope_square, slope, overlap, change = moments(float(np.sqrt(mu / (mu + eps))))
    common = sigma_w**2 / (mu + eps)
    forward_l = sigma_w**2 * change / (2 * mu)
    rate = sigma_w**2 * overlap**2 / mu  # = common·slope², without φ′
    q = sigma_w**2 * (square + 2 * zero * mean + zero**2) + sigma_b**2
    between = sigma_w**2 * (mean + zero) ** 2 + sigma_b**2
    return InfiniteBatch(
        q,
        between / q,
        mu,
        Eigenvalues(forward_l * eps / (mu + eps), forward_l, rate),
        Eigenvalues(common * slope_square, common * slope_square, common * slope**2),
        between,
        rate,
    )


def _collapsed(activation: Activation, eps: float, sigma_w: float, sigma_b: float, zero: float) -> InfiniteBatch:
    right, left = slopes_at_zero(activation)
    if eps == 0 or right != left:
        raise InputError(f"{activation.label}: the signal collapses (mu* = 0) and the map has no derivative there")
    rate = sigma_w**2 * right**2 / eps
    common = sigma_w**2 * zero**2 + sigma_b**2
    same = Eigenvalues(rate, rate, rate)
    return InfiniteBatch(common, 1.0 if common else float("nan"), 0.0, same, same, common, rate)


def limit_record(
    activation: Activation, *, eps: float = 0.0, sigma_w: float = 1.0, sigma_b: float = 0.0
) -> dict[str, Any]:
    """The record of ``batchnorm_record`` for B → ∞; its batch_size is the text ``inf``.

    Raises:
        InputError: as ``infinite_batch``, or a negative ε, σ_w or σ_b.
    """
    check_scales(eps, sigma_w, sigma_b)
    limit = infinite_batch(activation, eps=eps, sigma_w=sigma_w, sigma_b=sigma_b)
    coarse = infinite_batch(activation, eps=eps, sigma_w=sigma_w, sigma_b=sigma_b, nodes=NODES // 2)
    scale = limit.depth_scale
    spectrum = {
        side: {key: getattr(values, key) for key in "GLM"}
        for side, values in (("forward", limit.forward), ("backward", limit.backward))
    }
    reasons = {} if np.isfinite(scale.xi) else {"depth_scale": "the rate is 1 within its error, so ξ is infinite"}
    reasons |= {} if np.isfinite(limit.c_star) else {"c_star": "q_star is 0"}
    sizes = {key: abs(value) for key, value in spectrum["forward"].items()}
    stable = max(sizes.values()) <= 1 + 1e-12  # relu: λ_L↑ = 1, which finite batches approach from below
    if not stable:
        reasons |= dict.fromkeys(("fixed_point", "rate", "depth_scale", "regime"), unstable(max(sizes.values())))
    critical = critical_eps(activation, LARGE, sigma_w)
    return {
        "activation": activation.label,
        "batch_size": "inf",
        "eps": eps,
        "sigma_w": sigma_w,
        "sigma_b": sigma_b,
        "q_star": limit.q_star,
        "c_star": limit.c_star if np.isfinite(limit.c_star) else None,
        "mu_star": limit.mu_star,
        **spectrum,
        "cross_batch": {"c_star": limit.cross_batch, "rate": limit.rate},
        "stable": stable,
        "governs": max(sizes, key=lambda key: sizes[key]),
        "fixed_point": "BSB1" if stable else None,
        "broken_symmetry": None,
        "rate": scale.rate if stable else None,
        "depth_scale": scale.xi if stable and np.isfinite(scale.xi) else None,
        "depth_scale_error": scale.error if stable and np.isfinite(scale.xi) else None,
        "regime": scale.regime if stable else None,
        "critical_eps": critical if np.isfinite(critical) else None,
        "method": "gaussian",
        "digits": _digits(limit, coarse),
        "reasons": reasons,
    }


def _digits(fine: InfiniteBatch, coarse: InfiniteBatch) -> int:
    """Decimal digits that are right in every number, from a coarser computation."""

    def numbers(limit: InfiniteBatch) -> Float[np.ndarray, " n"]:
        xi = limit.depth_scale.xi
        pairs = [getattr(values, key) for values in (limit.forward, limit.backward) for key in "GLM"]
        values = [limit.q_star, limit.c_star, limit.mu_star, limit.cross_batch, limit.rate, *pairs, xi]
        return np.array([value if np.isfinite(value) else 0.0 for value in values])

    left, right = numbers(fine), numbers(coarse)
    amplified = max(1.0, fine.depth_scale.xi) if np.isfinite(fine.depth_scale.xi) else 1.0
    known = left != 0
    relative = 2 * np.abs(left - right)[known] / np.abs(left[known])
    return max(0, int(np.floor(-np.log10(max(float(relative.max(initial=0.0)), 1e-14 * amplified)))))
