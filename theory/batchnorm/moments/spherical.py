"""Spherical integration: moments of one BN layer by direct quadrature over one or two angles, for any measurable φ.

Independent of the Gegenbauer series, and the method of choice for kinked φ at small batch size, where that series
converges slowly. Quadrature splits wherever either sample meets a kink. Source: App. E.3, F.3.1, G.1.1.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation, value_at_zero
from phasemap.theory.batchnorm.moments.convergence import converging, rounding, settled
from phasemap.theory.batchnorm.moments.moments import Moments, stack, widest
from phasemap.theory.integrals.sphere import (
    composite_rule,
    density,
    latitude_limit,
    legendre_nodes,
    pieces,
    smooth_rule,
)

NODES = 48
MAX_NODES = 768
TOLERANCE = 2e-14


def spherical_moments(
    activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"], tolerance: float = TOLERANCE
) -> tuple[Moments, Moments]:
    """Moments at each scale t, fine and coarse; as ``gegenbauer_moments`` but by 2-D quadrature."""
    results = []
    for scale in scales:
        nodes = NODES
        coarse = _evaluate(activation, batch_size, float(scale), nodes * 2 // 3)
        last, levels, changes = np.full(1, np.inf), [coarse], [np.inf]
        while True:
            fine = _evaluate(activation, batch_size, float(scale), nodes)
            change = fine.difference(coarse)
            changes.append(float(change.max()))
            if bool(settled(change, last, tolerance + rounding(activation, fine))[0]):
                break
            if nodes >= MAX_NODES:
                coarse = coarse if converging(changes) else widest(fine, levels[-4:])
                break
            coarse, nodes, last = fine, nodes * 2, change
            levels.append(fine)
        results.append((fine, coarse))
    return stack([fine for fine, _ in results]), stack([coarse for _, coarse in results])


def _evaluate(activation: Activation, batch_size: int, scale: float, nodes: int) -> Moments:
    """All moments at one scale with ``nodes`` per piece and angle."""
    d = batch_size - 1
    cosine = -1 / d
    sine = np.sqrt(1 - cosine**2)
    stretch = np.sqrt(d) * scale
    zero = value_at_zero(activation)
    kinks = np.asarray(activation.kinks) / stretch if stretch > 0 else np.zeros(0)
    kinks = kinks[np.abs(kinks) < 1]

    # First sample: latitude of x₁. Besides its own kinks, the outer integrand is rough where a kink of the second
    # sample enters the circle of fixed x₁: at colatitudes θ_kink ± θ₀, with θ₀ the angle between the axes.
    angle, between = np.arccos(kinks), np.arccos(cosine)
    entering = np.concatenate([angle - between, angle + between])
    edges = pieces(np.concatenate([np.arcsin(kinks), np.pi / 2 - np.arccos(np.cos(entering))]), latitude_limit(d))
    if kinks.size:
        latitude, w1 = composite_rule(edges, nodes)
        w1 = w1 * density(latitude, d)
        x1, w1 = np.sin(latitude), w1 / w1.sum()
    else:
        x1, w1 = smooth_rule(d, nodes)
    f1, g1 = activation.phi(stretch * x1) - zero, activation.derivative(stretch * x1)

    # Second sample: x₂ = c·x₁ + √(1−c²)·√(1−x₁²)·y with y one cosine on the sphere in R^(d−1).
    radius = np.maximum(sine * np.sqrt((1 - x1) * (1 + x1)), 1e-300)
    y, w2 = _inner_rule(d - 1, (kinks[None, :] - cosine * x1[:, None]) / radius[:, None], nodes)
    x2 = cosine * x1[:, None] + radius[:, None] * y
    f2, g2 = activation.phi(stretch * x2) - zero, activation.derivative(stretch * x2)
    f2_mean = [np.sum(w2 * x2**k * f2, axis=1) for k in range(2)]
    g2_mean = [np.sum(w2 * x2**k * g2, axis=1) for k in range(3)]

    def one(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " 1"]:
        return np.atleast_1d(np.sum(w1 * values))

    return Moments.of(
        f=one(f1),
        fx=one(f1 * x1),
        ff=one(f1 * f1),
        ffxx=one(f1 * f1 * x1**2),
        f00=one(f1 * f2_mean[0]),
        f11=one(f1 * x1 * f2_mean[1]),
        f20=one(f1 * x1**2 * f2_mean[0]),
        g=one(g1),
        gxx=one(g1 * x1**2),
        gg=one(g1 * g1),
        ggxx=one(g1 * g1 * x1**2),
        ggxxxx=one(g1 * g1 * x1**4),
        g00=one(g1 * g2_mean[0]),
        g11=one(g1 * x1 * g2_mean[1]),
        g20=one(g1 * x1**2 * g2_mean[0]),
        g22=one(g1 * x1**2 * g2_mean[2]),
        g31=one(g1 * x1**3 * g2_mean[1]),
    )


def _inner_rule(
    dimension: int, kinks: Float[np.ndarray, "n k"], nodes: int
) -> tuple[Float[np.ndarray, "#n m"], Float[np.ndarray, "#n m"]]:
    """For every x₁ a rule for y on the sphere in R^dimension, split at that row's kinks. On S⁰, y = ±1."""
    rows = kinks.shape[0]
    if dimension == 1:
        return np.array([[-1.0, 1.0]]), np.array([[0.5, 0.5]])
    if kinks.shape[1] == 0:
        y, w = smooth_rule(dimension, nodes)
        return y[None, :], w[None, :]
    limit = latitude_limit(dimension)
    inner = np.clip(np.arcsin(np.clip(kinks, -1, 1)), -limit, limit)
    edges = np.sort(np.hstack([np.full((rows, 1), -limit), inner, np.full((rows, 1), limit)]), axis=1)
    s, w = legendre_nodes(nodes)
    width = np.diff(edges, axis=1)[:, :, None]
    latitude = (edges[:, :-1, None] + width * s).reshape(rows, -1)
    weights = (width * w).reshape(rows, -1) * density(latitude, dimension)
    return np.sin(latitude), weights / weights.sum(axis=1, keepdims=True)
