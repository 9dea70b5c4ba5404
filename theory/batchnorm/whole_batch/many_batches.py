"""The covariance of k mini-batches, layer by layer, from any input; each batch is normalised by itself.

Σ̃^(l+1) = σ_w²·E[F(h)·F(h)ᵀ] + σ_b²·11ᵀ with F = (B_φ, …, B_φ), h ~ N(0, Σ̃^l), and Π̃^l = σ_w²·E[F′(h)ᵀ·Π̃^(l+1)·F′(h)]
(Eqs. 20, 22 and 54, Yang et al. 2019), kB × kB matrices in blocks of B × B. Diagonal blocks follow
``whole_batch.covariance``; ``whole_batch.batches_layer`` has the expectations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from phasemap.theory.batchnorm.whole_batch.batches_layer import (
    Gram,
    blocks,
    closed_backward,
    closed_forward,
    sampled_backward,
    sampled_forward,
)
from phasemap.theory.batchnorm.whole_batch.covariance import Layer, Sample, centre
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous


def symmetric_fixed_point(batch: Float[np.ndarray, "batch batch"], entry: float, batches: int) -> Gram:
    """The CBSB1 matrix (Defn H.2): ``batch`` in every diagonal block, one number everywhere else.

    Args:
        batch: Σ*, the fixed point of one batch.
        entry: c_CB*, ``cross_batch.c_star`` of ``phasemap.theory.batchnorm.record``.
    """
    between = np.kron(1 - np.eye(batches), np.ones_like(batch))
    return np.kron(np.eye(batches), batch) + entry * between


@dataclass(frozen=True)
class Transient:
    """Σ̃^1 … Σ̃^L of k mini-batches, and the largest standard error of an entry (0 for closed forms)."""

    grams: tuple[Gram, ...]
    batches: int
    error: float = 0.0

    def block(self, first: int, second: int) -> Float[np.ndarray, "depth batch batch"]:
        """One block by layer: the covariance between batch ``first`` and batch ``second``, counted from 0."""
        places = blocks(len(self.grams[0]), self.batches)
        return np.array([gram[places[first], places[second]] for gram in self.grams])

    def correlation(self, first: int = 0, second: int = 1) -> Float[np.ndarray, " depth"]:
        """tr Σ̃^G_12/√(tr Σ̃^G_11·tr Σ̃^G_22) by layer, of centred batches, sample by sample: tends to 0 like λ_CB^l."""
        pairs = ((first, second), (first, first), (second, second))
        across, one, two = (np.array([np.trace(centre(g)) for g in self.block(*pair)]) for pair in pairs)
        return np.asarray(across / np.sqrt(one * two))


def _points(layer: Layer, rows: int, batches: int, log2_points: int, seed: int) -> Sample | None:
    """The points to average over, or None if closed forms exist."""
    closed = homogeneous(layer.activation) is not None
    return None if closed else Sample.draw(rows - batches, log2_points, seed)


def next_gram(gram: Gram, batches: int, layer: Layer, sample: Sample | None = None) -> tuple[Gram, float]:
    """Σ̃^(l+1) from Σ̃^l and its standard error: Laplace integrals without a sample, else quasi-Monte Carlo.

    Raises:
        InputError: no equal batches, a batch of equal samples, or no sample for a φ that is not homogeneous.
    """
    phi = homogeneous(layer.activation)
    if sample is not None:
        moments, error = sampled_forward(gram, batches, layer, sample)
    elif phi is not None:
        moments, error = closed_forward(gram, batches, phi, layer.eps), 0.0
    else:
        raise InputError(f"{layer.activation.label} is not positive-homogeneous: a sample is needed")
    return layer.sigma_w**2 * moments + layer.sigma_b**2, layer.sigma_w**2 * error


def propagate(
    first: Gram, layer: Layer, depth: int, *, batches: int, log2_points: int = 13, seed: int = 0
) -> Transient:
    """Σ̃^1 … Σ̃^depth from Σ̃^1, the covariance of the first pre-activations (``covariance.input_gram`` of all rows).

    Args:
        first: kB × kB, symmetric, positive semidefinite; the batches one below the other.
        batches: k.
        log2_points: of each of the 8 scrambled point sets, for φ without closed forms.
    """
    sample = _points(layer, len(first), batches, log2_points, seed)
    grams, worst = [np.asarray(first, dtype=float)], 0.0
    for _ in range(depth - 1):
        gram, error = next_gram(grams[-1], batches, layer, sample)
        grams.append(grams[-1] + gram if layer.skip else gram)
        worst = max(worst, error)
    return Transient(tuple(grams), batches, worst)


def backpropagate(
    transient: Transient, layer: Layer, top: Gram | None = None, *, log2_points: int = 13, seed: int = 0
) -> tuple[Gram, ...]:
    """Π̃^1 … Π̃^L of the gradients with respect to pre-activations, from Π̃^L = ``top`` at the last layer.

    The default top is the identity in every block: sample i of each batch has the same gradient. The traces of the
    blocks off the diagonal then tell how fast the gradients of two batches decorrelate.
    """
    rows, batches = len(transient.grams[0]), transient.batches
    phi, sample = homogeneous(layer.activation), _points(layer, rows, batches, log2_points, seed)
    gradients = [np.tile(np.eye(rows // batches), (batches, batches)) if top is None else np.asarray(top, dtype=float)]
    for gram in reversed(transient.grams[:-1]):
        if phi is not None:
            below = closed_backward(gram, batches, phi, gradients[-1], layer.eps)
        else:
            assert sample is not None
            below, _ = sampled_backward(gram, batches, layer, gradients[-1], sample)
        below = layer.sigma_w**2 * below
        gradients.append(gradients[-1] + below if layer.skip else below)
    return tuple(reversed(gradients))
