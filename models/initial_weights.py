"""Initial weights, drawn by NumPy from the cell's seed alone.

NumPy's generators give the same numbers on every machine; torch's differ with the vector instructions at hand. The
weights of a layer depend on the seed and the layer only, never on the cell's place in a stack or on its neighbours.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

# The purposes that a seed serves, so that no two share a stream of random numbers.
HIDDEN, READ_OUT, DATA_ORDER, EMBEDDING, RESIDUAL_V, RESIDUAL_A, RESIDUAL_B, PROJECTION = range(8)
CONVOLUTION, AUGMENTATION = 8, 9
BIAS, DROPOUT = 10, 11


def generator(seed: int, purpose: int, index: int = 0) -> np.random.Generator:
    """The random stream of one purpose of one seed (``index``: the layer, or the epoch)."""
    return np.random.default_rng([seed, purpose, index])


def normal_weights(
    seed: int, purpose: int, index: int, fan_in: int, fan_out: int
) -> Float[np.ndarray, "fan_in fan_out"]:
    """Weights from N(0, 1/fan_in) in float64, so that both dtypes start from the same numbers."""
    return generator(seed, purpose, index).standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)


def orthogonal_weights(
    seed: int, purpose: int, index: int, fan_in: int, fan_out: int
) -> Float[np.ndarray, "fan_in fan_out"]:
    """A matrix with orthogonal rows or columns, whichever are fewer, drawn uniformly; E W² = 1/fan_in, as above."""
    longer, shorter = max(fan_in, fan_out), min(fan_in, fan_out)
    # torch's QR, which keeps to torch's number of threads
    drawn = torch.from_numpy(generator(seed, purpose, index).standard_normal((longer, shorter)))
    q, r = (part.numpy() for part in torch.linalg.qr(drawn))
    q *= np.sign(np.diag(r)) * np.sqrt(longer / fan_in)  # with R's diagonal positive, Q is uniform (Mezzadri 2007)
    return q if fan_in == longer else q.T
