"""What the transforms V, W and D of one activation are: their values, and the protocol that computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

Array = Float[np.ndarray, "..."]


@dataclass(frozen=True)
class Moments:
    """All four transforms at the same points: arrays of one shape, that of the arguments broadcast together."""

    v: Array
    v_derivative: Array
    w: Array
    gap: Array


@runtime_checkable
class Transforms(Protocol):
    """One activation's transforms, elementwise over arrays of one shape.

    Shapes: ``variance`` [...] is q ≥ 0, ``gap`` [...] is t with 0 ≤ t ≤ 2q, ``covariance`` [...] is λ = q − t. Both t
    and λ are given, because either can be known to more digits than the difference of the other two.
    """

    def __call__(self, variance: Array, gap: Array, covariance: Array) -> Moments: ...
