"""The Gegenbauer method: moments of one BN layer from the expansion of φ in orthonormal polynomials of one cosine.

Expectations over one sample are 1-D integrals. Those over two samples are Σ_l f̂_l·ĝ_l·P_l(−1/(B−1)), whose terms fall
fast because the axes of two samples are nearly orthogonal. Source: App. E.4, Yang et al. 2019.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation, value_at_zero
from phasemap.theory.batchnorm.moments.convergence import converging, rounding, settled
from phasemap.theory.batchnorm.moments.moments import Moments, stack, widest
from phasemap.theory.integrals.sphere import (
    latitude_limit,
    legendre,
    orthonormal,
    piecewise_rule,
    recurrence,
    smooth_basis,
    smooth_rule,
    smooth_weights,
    weight_powers,
)

TERMS = 40
MAX_TERMS = 1280
SMOOTH_NODES = 128
PIECE_NODES = 64
MAX_NODES = 16384
AT_ONCE = 2_000_000
"""Values of the basis that are held at once."""
TOLERANCE = 2e-14


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
    if not np.any(kinks != 0):
        return _refined(activation, batch_size, scales, tolerance, together=True)
    with np.errstate(divide="ignore"):
        cosines = np.minimum(np.abs(kinks) / (np.sqrt(batch_size - 1) * scales[:, None]), 1)
    reached = np.arcsin(cosines) < latitude_limit(batch_size - 1)
    groups = [np.flatnonzero((reached == kind).all(axis=1)) for kind in np.unique(reached, axis=0)]  # of equal pieces
    parts = [_refined(activation, batch_size, scales[group], tolerance, together=False) for group in groups]
    order = np.argsort(np.concatenate(groups))
    return stack([fine for fine, _ in parts]).take(order), stack([coarse for _, coarse in parts]).take(order)


def _refined(
    activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"], tolerance: float, *, together: bool
) -> tuple[Moments, Moments]:
    """Moments at nodes and terms that grow until two levels agree: for all scales ``together``, or for each."""
    nodes, terms = PIECE_NODES if activation.kinks else SMOOTH_NODES, TERMS
    going = np.arange(scales.size)
    coarse, _ = evaluate(activation, batch_size, scales, nodes // 2, terms // 2)
    levels, changes = [coarse], [np.full(scales.shape, np.inf)]
    ended, parts = [], []
    while going.size:
        fine, tail = evaluate(activation, batch_size, scales[going], nodes, terms)
        change = fine.difference(coarse)
        done = (tail <= tolerance) & settled(change, changes[-1], tolerance + rounding(activation, fine))
        if together:
            done[:] = bool(done.all())
        changes.append(change)
        last = nodes >= MAX_NODES or terms >= MAX_TERMS
        error = coarse
        if last and not done.all():
            falls = done | [converging([float(at) for at in each]) for each in np.array(changes).T]
            if together:
                falls[:] = converging([float(at.max()) for at in changes])
            error = Moments(np.where(falls, coarse.rows, widest(fine, levels[-4:]).rows))
        leaves = done | last
        ended.append(going[leaves])
        parts.append((fine.take(np.flatnonzero(leaves)), error.take(np.flatnonzero(leaves))))
        stays = np.flatnonzero(~leaves)
        terms = 2 * terms if np.any(tail[stays] > tolerance) else terms
        nodes *= 2
        going, coarse = going[stays], fine.take(stays)
        levels = [level.take(stays) for level in (*levels[-3:], fine)]
        changes = [each[stays] for each in changes]
    order = np.argsort(np.concatenate(ended))
    return stack([fine for fine, _ in parts]).take(order), stack([error for _, error in parts]).take(order)


def evaluate(
    activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"], nodes: int, terms: int
) -> tuple[Moments, Float[np.ndarray, " t"]]:
    """Moments with fixed numbers of nodes and terms, and a bound on the terms left out of the pair sums.

    Kinks not at 0 lie elsewhere on the sphere for each scale; as many of them must be in reach at all scales.
    """
    d = batch_size - 1
    if activation.kinks:
        most = max(1, AT_ONCE // (terms * nodes * (len(activation.kinks) + 1)))
        if scales.size > most:
            pieces = [scales[first : first + most] for first in range(0, scales.size, most)]
            each = [evaluate(activation, batch_size, piece, nodes, terms) for piece in pieces]
            return stack([moments for moments, _ in each]), np.concatenate([tail for _, tail in each])
        with np.errstate(divide="ignore"):
            kinks = np.asarray(activation.kinks) / (np.sqrt(d) * scales[:, None])
        rules = [piecewise_rule(d, np.where(np.isfinite(at), at, 2.0), nodes) for at in kinks]
        x, w = (np.array(column) for column in zip(*rules, strict=True))
        basis, weights = orthonormal(d, x, terms) * w, weight_powers(x, w)
    else:
        x, _ = smooth_rule(d, nodes)
        basis, weights = smooth_basis(d, nodes, terms), smooth_weights(d, nodes)
    z = np.sqrt(d) * scales[:, None] * x
    f = activation.phi(z) - value_at_zero(activation)
    g = activation.derivative(z)
    f_hat, g_hat = (_inner(values, np.moveaxis(basis, 0, -1)) for values in (f, g))
    f_single, g_single = _inner(f * f, weights[1]), _inner(g * g, weights[2])
    columns = [_inner(f, weights[0]), f_single, _pairs(f_hat, d, 3)]
    columns += [_inner(g, weights[1]), g_single, _pairs(g_hat, d, 5)]
    tail = np.maximum(_tail(f_single[:, 0], f_hat), _tail(g_single[:, 0], g_hat))
    largest = float(np.max(np.abs(legendre(d, -1 / d, terms)[-2:])))
    return Moments(np.concatenate(columns, axis=1).T), tail * largest


def _inner(values: Float[np.ndarray, "t n"], weights: Float[np.ndarray, "*t n c"]) -> Float[np.ndarray, "t c"]:
    """Sums over nodes, with the same weights for all scales or with weights of each scale's own."""
    if weights.ndim == 2:
        return np.asarray(values @ weights)
    return np.asarray(np.einsum("tn,tnc->tc", values, weights))


def _tail(square: Float[np.ndarray, " t"], coefficients: Float[np.ndarray, "t l"]) -> Float[np.ndarray, " t"]:
    """‖F − its truncated expansion‖² / ‖F‖² (Parseval). Rounding limits it to about 1e-15."""
    energy = coefficients * coefficients
    rest = square - energy.sum(axis=1)
    last = energy[:, -4:].sum(axis=1)  # the products with x^k shift coefficients by up to three
    return np.asarray(np.maximum(rest, last) / np.maximum(square, 1e-300))


def _pairs(coefficients: Float[np.ndarray, "t l"], dimension: int, count: int) -> Float[np.ndarray, "t count"]:
    """E x₁^i F₁·x₂^j F₂ for ij = 00, 11, 20, 22, 31 (the first ``count``), from the coefficients of F."""
    terms = coefficients.shape[1]
    if terms <= SMALL:  # quadratic forms with small matrices
        forms = _quadratic_forms(dimension, terms)[: count * terms]
        products = (coefficients @ forms.T).reshape(len(coefficients), count, terms)
        return np.asarray((products @ coefficients[:, :, None])[:, :, 0])
    cosines = legendre(dimension, -1 / dimension, terms)
    shifted = [coefficients]
    for _ in range(max(i for i, _ in POWERS[:count])):
        shifted.append(_times_x(shifted[-1], dimension))
    return np.stack([(shifted[i] * shifted[j]) @ cosines for i, j in POWERS[:count]], axis=1)


POWERS = ((0, 0), (1, 1), (2, 0), (2, 2), (3, 1))
SMALL = 100


@lru_cache(maxsize=32)
def _quadratic_forms(dimension: int, terms: int) -> Float[np.ndarray, "rows terms"]:
    """The symmetric matrices X^i·P·X^j, stacked: P = diag P_l(−1/(B−1)), X the multiplication with x."""
    cosines = legendre(dimension, -1 / dimension, terms)
    powers = [np.eye(terms)]
    for _ in range(3):
        powers.append(_times_x(powers[-1], dimension).T)
    products = [(powers[i] * cosines) @ powers[j].T for i, j in POWERS]
    return np.vstack([(product + product.T) / 2 for product in products])


def _times_x(coefficients: Float[np.ndarray, "t l"], dimension: int) -> Float[np.ndarray, "t l"]:
    """Coefficients of x·F from those of F: (xF)^_l = b_(l+1)·F^_(l+1) + b_l·F^_(l−1)."""
    b = recurrence(dimension, coefficients.shape[1])
    product = np.zeros_like(coefficients)
    product[:, :-1] += b[1:] * coefficients[:, 1:]
    product[:, 1:] += b[1:] * coefficients[:, :-1]
    return product
