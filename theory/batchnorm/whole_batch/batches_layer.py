"""One BN layer as k mini-batches see it, each normalised by itself.

E[F(h)·F(h)ᵀ] and E[F′(h)ᵀ·Π̃·F′(h)] with F = (B_φ, …, B_φ), h ~ N(0, Σ̃): kB × kB matrices of B × B blocks (Eqs. 20, 22
and 54, Yang et al. 2019). Closed forms for homogeneous φ, quasi-Monte Carlo with a standard error for any φ.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from jaxtyping import Float

from phasemap.theory.batchnorm.whole_batch.covariance import (
    SCRAMBLES,
    Layer,
    Sample,
    laplace_backward,
    laplace_forward,
)
from phasemap.theory.batchnorm.whole_batch.pair_of_batches import cross_backward, cross_forward
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import Homogeneous

Gram = Float[np.ndarray, "rows rows"]


def blocks(rows: int, batches: int) -> list[slice]:
    """The rows of each batch.

    Raises:
        InputError: no equal batches of at least three samples.
    """
    if batches < 1 or rows % batches or rows // batches < 3:
        raise InputError(f"batches {batches}: expected equal mini-batches of at least 3 samples from {rows} rows")
    size = rows // batches
    return [slice(i * size, (i + 1) * size) for i in range(batches)]


def centre_blocks(gram: Gram, batches: int) -> Gram:
    """Σ̃^G = G^⊕k·Σ̃·G^⊕k: the covariance after subtracting each batch's mean."""
    size = len(gram) // batches
    parts = gram.reshape(batches, size, batches, size)
    centred = parts - parts.mean(axis=1, keepdims=True)
    return (centred - centred.mean(axis=3, keepdims=True)).reshape(gram.shape)


def closed_forward(gram: Gram, batches: int, phi: Homogeneous, eps: float = 0.0) -> Gram:
    """E[F(h)·F(h)ᵀ] for homogeneous φ (Thm 3.2 within a batch, Lemma H.5 and Eq. 56 between two)."""
    places = blocks(len(gram), batches)
    result = np.empty_like(gram)
    for a in places:
        result[a, a] = laplace_forward(gram[a, a], phi, eps)
    for a, b in combinations(places, 2):
        result[a, b] = cross_forward(gram[a, a], gram[a, b], gram[b, b], phi, eps)
        result[b, a] = result[a, b].T
    return result


def closed_backward(gram: Gram, batches: int, phi: Homogeneous, gradient: Gram, eps: float = 0.0) -> Gram:
    """E[F′(h)ᵀ·Π̃·F′(h)] for homogeneous φ; each block of Π̃ goes its own way (Eq. 23).

    Raises:
        InputError: as ``covariance.laplace_backward``.
    """
    places = blocks(len(gram), batches)
    result = np.empty_like(gram)
    for a in places:
        result[a, a] = laplace_backward(gram[a, a], phi, gradient[a, a], eps)
    for a, b in combinations(places, 2):
        result[a, b] = cross_backward(gram[a, a], gram[a, b], gram[b, b], phi, gradient[a, b], eps)
        result[b, a] = result[a, b].T
    return result


def _normalised(
    gram: Gram, batches: int, eps: float, sample: Sample
) -> Iterator[tuple[Float[np.ndarray, "n rows"], Float[np.ndarray, "n rows"]]]:
    """For each scramble BN's output z for h ~ N(0, Σ̃), and 1/√(variance + ε) of the batch that each row belongs to.

    Raises:
        InputError: the samples of a batch are all equal.
    """
    values, vectors = np.linalg.eigh(centre_blocks(gram, batches))
    keep = values > 1e-13 * max(float(values[-1]), 0.0)
    root = vectors[:, keep] * np.sqrt(values[keep])
    spread = np.sum(root**2, axis=1).reshape(batches, -1).sum(axis=1)
    if not keep.any() or spread.min() <= 1e-13 * spread.max():
        raise InputError("the samples of a batch are equal, so their batch variance is 0")
    for points in sample.points:
        y = points[:, : root.shape[1]] @ root.T
        size = len(gram) // batches
        variance = np.mean(y.reshape(len(y), batches, size) ** 2, axis=2)
        inverse = np.repeat(1 / np.sqrt(variance + eps), size, axis=1)
        yield y * inverse, inverse


def _mean(estimates: list[Gram]) -> tuple[Gram, float]:
    """The mean over scrambles and its largest standard error."""
    error = float(np.max(np.std(estimates, axis=0, ddof=1))) / np.sqrt(SCRAMBLES)
    return np.mean(estimates, axis=0), error


def sampled_forward(gram: Gram, batches: int, layer: Layer, sample: Sample) -> tuple[Gram, float]:
    """E[F(h)·F(h)ᵀ] by quasi-Monte Carlo for any φ, and the standard error of its entries (the largest).

    Args:
        sample: points of dimension k·(B − 1) at least.
    """
    blocks(len(gram), batches)
    estimates = []
    for z, _ in _normalised(gram, batches, layer.eps, sample):
        f = layer.activation.phi(z)
        estimates.append(f.T @ f / len(f))
    return _mean(estimates)


def sampled_backward(gram: Gram, batches: int, layer: Layer, gradient: Gram, sample: Sample) -> tuple[Gram, float]:
    """E[F′(h)ᵀ·Π̃·F′(h)] by quasi-Monte Carlo for any φ, and the standard error of its entries (the largest)."""
    places = blocks(len(gram), batches)
    size = len(gram) // batches
    estimates = []
    for z, inverse in _normalised(gram, batches, layer.eps, sample):
        g = layer.activation.derivative(z)
        scaled, along, direction = inverse * g, g * z, inverse * z / size  # of D, D·z and z/B
        estimate = np.empty_like(gram)
        for i, a in enumerate(places):
            for b in places[i:]:
                block = gradient[a, b]
                pulled, pushed = along[:, b] @ block.T, along[:, a] @ block  # Π·D·z of b, and of a
                both = np.sum(along[:, a] * pulled, axis=1, keepdims=True)
                total = block * (scaled[:, a].T @ scaled[:, b]) + (direction[:, a] * both).T @ direction[:, b]
                total -= (scaled[:, a] * pulled).T @ direction[:, b] + direction[:, a].T @ (scaled[:, b] * pushed)
                estimate[a, b] = total / len(z)
                estimate[b, a] = estimate[a, b].T
        estimates.append(centre_blocks(estimate, batches))
    return _mean(estimates)
