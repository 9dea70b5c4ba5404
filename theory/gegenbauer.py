"""The Gegenbauer method: moments of one BN layer from the expansion of φ in orthonormal polynomials of one cosine.

Expectations over one sample are 1-D integrals. Those over two samples are Σ_l f̂_l·ĝ_l·P_l(−1/(B−1)), whose terms fall
fast because the axes of two samples are nearly orthogonal. Source: App. E.4, Yang et al. 2019.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from theory.activations import Activation
from theory.batchnorm_moments import Moments, stack, widest
from theory.sphere import legendre, orthonormal, piecewise_rule, recurrence, smooth_basis, smooth_rule

TERMS = 40
MAX_TERMS = 1280
SMOOTH_NODES = 128
PIECE_NODES = 64
MAX_NODES = 16384
TOLERANCE = 2e-14


def value_at_zero(activation: Activation) -> float:
    """φ(0), or 0 where φ is not finite there."""
    with np.errstate(all="ignore"):
        value = float(activation.phi(np.zeros(1))[0])
    return value if np.isfinite(value) else 0.0


def gegenbauer_moments(
    activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"], tolerance: float = TOLERANCE
) -> tuple[Moments, Moments]:
    """Moments at each scale t, and the same at a coarser resolution: whatever is computed from both shows its error.

    Args:
        activation: φ, φ′ and the kinks at which quadrature splits.
        batch_size: B ≥ 3.
        scales: the factors t on the normalised pre-activation; all 1 when ε = 0.
        tolerance: nodes and terms grow until the two agree to it (relative to E f², E φ′²), or to their limits.
    """
    kinks = np.asarray(activation.kinks)
    if scales.size > 1 and bool(np.any(kinks != 0)):  # the kinks lie elsewhere on the sphere for each scale
        each = [gegenbauer_moments(activation, batch_size, scales[i : i + 1], tolerance) for i in range(scales.size)]
        return stack([fine for fine, _ in each]), stack([coarse for _, coarse in each])
    nodes = PIECE_NODES if kinks.size else SMOOTH_NODES
    terms = TERMS
    coarse, _ = evaluate(activation, batch_size, scales, nodes // 2, terms // 2)
    last, levels = np.full(scales.shape, np.inf), [coarse]
    while True:
        fine, tail = evaluate(activation, batch_size, scales, nodes, terms)
        change = fine.difference(coarse)
        converged = tail <= tolerance and bool(np.all(settled(change, last, tolerance + rounding(activation, fine))))
        if converged:
            return fine, coarse
        if nodes >= MAX_NODES or terms >= MAX_TERMS:
            return fine, widest(fine, levels[-4:])
        coarse, last = fine, change
        levels.append(fine)
        nodes *= 2
        terms = 2 * terms if tail > tolerance else terms + terms // 2


def rounding(activation: Activation, moments: Moments) -> Float[np.ndarray, " t"]:
    """The floor that φ(z) − φ(0) sets where φ(0) ≠ 0 and the signal is small."""
    return 1e-14 * abs(value_at_zero(activation)) / np.sqrt(np.maximum(moments.ff, 1e-300))


def settled(
    change: Float[np.ndarray, " t"], last: Float[np.ndarray, " t"], tolerance: Float[np.ndarray, " t"] | float
) -> Bool[np.ndarray, " t"]:
    """Whether refinement is done: within tolerance, or at a floor where small changes no longer shrink."""
    return (change <= tolerance) | ((change < 1e-11) & (change > last / 4))


def evaluate(
    activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"], nodes: int, terms: int
) -> tuple[Moments, float]:
    """Moments with fixed numbers of nodes and terms, and a bound on the terms left out of the pair sums."""
    d = batch_size - 1
    if activation.kinks:
        with np.errstate(divide="ignore"):
            kinks = np.asarray(activation.kinks) / (np.sqrt(d) * scales[0])
        x, w = piecewise_rule(d, np.where(np.isfinite(kinks), kinks, 2.0), nodes)
        basis = orthonormal(d, x, terms) * w
    else:
        x, w = smooth_rule(d, nodes)
        basis = smooth_basis(d, nodes, terms)
    z = np.sqrt(d) * scales[:, None] * x
    f = activation.phi(z) - value_at_zero(activation)
    g = activation.derivative(z)
    cosines = legendre(d, -1 / d, terms)
    f_hat, g_hat = f @ basis.T, g @ basis.T
    f_powers = _times_x(f_hat, d, 2)
    g_powers = _times_x(g_hat, d, 3)
    ff, gg = (f * f) @ w, (g * g) @ w

    def pair(left: Float[np.ndarray, "t l"], right: Float[np.ndarray, "t l"]) -> Float[np.ndarray, " t"]:
        return (left * right) @ cosines

    largest = float(np.max(np.abs(cosines[-2:])))
    tail = max(_tail(ff, f_hat), _tail(gg, g_hat)) * largest
    moments = Moments.of(
        f=f @ w,
        fx=(f * x) @ w,
        ff=ff,
        ffxx=(f * f * x * x) @ w,
        f00=pair(f_powers[0], f_powers[0]),
        f11=pair(f_powers[1], f_powers[1]),
        f20=pair(f_powers[2], f_powers[0]),
        g=g @ w,
        gxx=(g * x * x) @ w,
        gg=gg,
        ggxx=(g * g * x**2) @ w,
        ggxxxx=(g * g * x**4) @ w,
        g00=pair(g_powers[0], g_powers[0]),
        g11=pair(g_powers[1], g_powers[1]),
        g20=pair(g_powers[2], g_powers[0]),
        g22=pair(g_powers[2], g_powers[2]),
        g31=pair(g_powers[3], g_powers[1]),
    )
    return moments, tail


def _tail(square: Float[np.ndarray, " t"], coefficients: Float[np.ndarray, "t l"]) -> float:
    """‖F − its truncated expansion‖² / ‖F‖² (Parseval), the largest over t. Rounding limits it to about 1e-15."""
    rest = square - np.sum(coefficients**2, axis=1)
    last = np.sum(coefficients[:, -4:] ** 2, axis=1)  # the products with x^k shift coefficients by up to three
    return float(np.max(np.maximum(rest, last) / np.maximum(square, 1e-300), initial=0.0))


def _times_x(coefficients: Float[np.ndarray, "t l"], dimension: int, power: int) -> list[Float[np.ndarray, "t l"]]:
    """Coefficients of F, x·F, … x^power·F from those of F: (xF)^_l = b_(l+1)·F^_(l+1) + b_l·F^_(l−1)."""
    b = recurrence(dimension, coefficients.shape[1])
    out = [coefficients]
    for _ in range(power):
        last = out[-1]
        product = np.zeros_like(last)
        product[:, :-1] += b[1:] * last[:, 1:]
        product[:, 1:] += b[1:] * last[:, :-1]
        out.append(product)
    return out
