"""The rate of gradients where BSB1 repels: at the fixed points BSB2 that batches go to instead (App. J, K).

Where λ_L↑ > 1 the samples of a batch stop being alike: Σ goes to a main block of large samples and a rest of small
ones. Many main blocks attract; which one a batch goes to depends on its input. So several batches are followed, each
from a start of its own, and the rate is that of the mean of their ln λ. The gradient's rate at a BSB2 is the largest
eigenvalue of the backward operator. It preserves the cone of covariances and commutes with permutations within the
blocks, so that its leading eigenvector is a combination of the projections on contrasts within the main block, within
the rest, and between the two: a 3×3 matrix holds it (Perron and Frobenius).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from phasemap.theory.batchnorm.whole_batch.broken_symmetry import BSB2
from phasemap.theory.batchnorm.whole_batch.covariance import (
    Gram,
    Layer,
    Sample,
    laplace_backward,
    next_gram,
    next_turned_gram,
    sampled_backward,
)
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous

STARTS = 6
"""Batches that are followed."""
UNITS = 4096
"""Random points that average a layer on the way, for φ without a closed form: a network of this width. Each layer turns
them by a random rotation: the same points in all would push the same samples again and again, and choose the main
block. In single precision: the sampling's error is 1e-2."""
LOG2_POINTS = 10
"""Of each of the scrambled point sets that average a layer at the fixed point."""
LARGEST = 256
"""Batch size up to which a BSB2 is looked for: half a minute there, and the time grows like its square and more."""
MOST_LAYERS = 400
POLISHED = 1e-5
"""Relative change of the blocks' mean squares in a layer at which a BSB2 is taken to be a fixed point."""
SAME_FOR = 25
"""Layers without a change of the blocks after which a batch has settled."""
SETTLED = 0.02
"""Largest relative change of the blocks' averages over that many layers."""
SCATTER = 0.4
"""Of a settled block: standard deviation over mean of its samples' mean squares, of which sampling and rare samples
that are about to change sides are a part."""


@dataclass(frozen=True)
class BrokenSymmetry:
    """Where batches go and what gradients do there.

    Attributes:
        rate: exp of the mean of ln λ over the batches, the factor on the squared gradient norm per layer.
        error: standard error of ``rate`` over the batches, which holds what the sampling adds; at least POLISHED.
        low, high: least and greatest λ of a batch.
        fixed_points: the BSB2 of each batch.
    """

    rate: float
    error: float
    low: float
    high: float
    fixed_points: tuple[BSB2, ...]

    @property
    def main_blocks(self) -> tuple[int, ...]:
        """Sizes of the main blocks, ascending."""
        return tuple(sorted(one.main_block for one in self.fixed_points))

    def as_record(self) -> dict[str, Any]:
        """For strict JSON."""
        numbers = {name: getattr(self, name) for name in ("rate", "error", "low", "high")}
        return numbers | {"main_blocks": list(self.main_blocks)}


@lru_cache(maxsize=64)
@threadpool_limits.wrap(limits=1, user_api="blas")  # of small matrices: threads only wait for each other
def broken_symmetry(layer: Layer, batch_size: int, starts: int = STARTS) -> BrokenSymmetry:
    """The fixed points that ``starts`` random batches go to, and the rate of gradients there.

    Raises:
        InputError: a batch size above LARGEST; a batch does not settle, goes to BSB1 after all, or its mean squared
            gradient diverges.
    """
    if batch_size > LARGEST:
        raise InputError(f"another fixed point is looked for at batch sizes up to {LARGEST} only")
    found: list[tuple[BSB2, float]] = []
    closed = homogeneous(layer.activation) is not None
    by_block: dict[int, tuple[BSB2, float]] = {}
    for seed in range(starts):
        near = _settle(layer, batch_size, seed)
        sample = None if closed else Sample.draw(batch_size - 1, LOG2_POINTS, seed)
        if sample is not None or near.main_block not in by_block:  # without sampling, equal blocks end alike
            fixed = _polished(near, layer, sample)
            by_block[near.main_block] = fixed, gradient_rate(fixed, layer, sample)
        found.append(by_block[near.main_block])
    rates = np.array([rate for _, rate in found])
    logs = np.log(rates)
    rate = float(np.exp(logs.mean()))
    error = float(rate * max(logs.std(ddof=1) / np.sqrt(starts), POLISHED))
    return BrokenSymmetry(rate, error, float(rates.min()), float(rates.max()), tuple(one for one, _ in found))


def gradient_rate(gram: BSB2, layer: Layer, sample: Sample | None = None) -> float:
    """The largest eigenvalue of Π ↦ σ_w²·E[Jᵀ·Π·J] at a BSB2 matrix.

    Args:
        sample: of dimension B−1, for φ without a closed form.

    Raises:
        InputError: the expectation diverges.
    """
    phi = homogeneous(layer.activation)
    parts = projections(gram.main_block, gram.batch_size)
    pulled = []
    for part in parts:
        if sample is None and phi is not None:
            pulled.append(laplace_backward(gram.matrix(), phi, part, layer.eps))
        else:
            assert sample is not None
            pulled.append(sampled_backward(gram.matrix(), layer, part, sample)[0])
    matrix = np.array([[np.sum(image * part) / np.trace(part) for image in pulled] for part in parts])
    return float(layer.sigma_w**2 * np.max(np.abs(np.linalg.eigvals(matrix))))


def projections(main_block: int, batch_size: int) -> list[Float[np.ndarray, "batch batch"]]:
    """On contrasts within the main block, within the rest, and between the two (Thm K.2); empty ones left out."""
    rest = batch_size - main_block
    first = (np.arange(batch_size) < main_block).astype(float)
    second = 1 - first
    between = np.sqrt(main_block * rest / batch_size) * (first / main_block - second / rest)
    parts = [np.outer(between, between)]
    parts += [np.diag(first) - np.outer(first, first) / main_block] if main_block > 1 else []
    parts += [np.diag(second) - np.outer(second, second) / rest] if rest > 1 else []
    return parts


def _settle(layer: Layer, batch_size: int, seed: int) -> BSB2:
    """Near which BSB2 one batch ends."""
    from scipy.stats import ortho_group

    closed = homogeneous(layer.activation) is not None
    rng = np.random.default_rng([UNITS, batch_size, seed])
    points = rng.standard_normal((0 if closed else UNITS, batch_size - 1), dtype=np.float32)
    gram = _start(batch_size, seed)
    main, since, then = np.zeros(batch_size, dtype=bool), 0, np.zeros(2)
    for count in range(MOST_LAYERS):
        if closed:
            gram, _ = next_gram(gram, layer)
        else:
            gram = next_turned_gram(gram, layer, points, ortho_group.rvs(batch_size - 1, random_state=rng))
        size = np.diag(gram)
        now = size > np.sqrt(size.max() * size.min())
        if np.any(now != main):
            main, since = now, count
        elif count - since >= SAME_FOR:
            average = np.array([size[main].mean(), size[~main].mean()])
            if np.all(np.abs(average / np.where(then > 0, then, np.inf) - 1) < SETTLED) and _two_blocks(size, main):
                order = np.argsort(~main, kind="stable")
                return BSB2.of(gram[np.ix_(order, order)], int(main.sum()))
            since, then = count, average
    raise InputError(f"a batch does not settle at a BSB2 within {MOST_LAYERS} layers")


def _start(batch_size: int, seed: int) -> Gram:
    """Σ of samples of unequal length that point in random directions."""
    rng = np.random.default_rng([batch_size, seed])
    inputs = rng.standard_normal((batch_size, 4 * batch_size)) * np.exp(0.5 * rng.standard_normal((batch_size, 1)))
    return inputs @ inputs.T / inputs.shape[1]


def _two_blocks(size: Float[np.ndarray, " batch"], main: np.ndarray) -> bool:
    """Whether samples differ between the blocks and little within them."""
    blocks = (size[main], size[~main])
    return all(np.std(block) <= SCATTER * np.mean(block) for block in blocks)


def _polished(found: BSB2, layer: Layer, sample: Sample | None) -> BSB2:
    """Iterated as a BSB2: what sampling did to single samples is averaged out in every layer."""
    for _ in range(MOST_LAYERS):
        after = BSB2.of(next_gram(found.matrix(), layer, sample)[0], found.main_block)
        pairs = ((after.d1, found.d1), (after.d2, found.d2))  # a block of φ(z) = 0 stays so
        change = sum(abs(new - old) / (old or 1.0) for new, old in pairs)
        found = after
        if change < POLISHED:
            break
    if found.is_bsb1:
        raise InputError("a batch with a main block goes back to BSB1")
    return found
