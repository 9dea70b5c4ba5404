"""What a theory predicts of a run of neighbouring steps, and what any recogniser of steps must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from phasemap.train.probe.autograd.chains import Point
from phasemap.train.probe.autograd.forward import Call, Node
from phasemap.train.probe.autograd.graph import Graph

SIGMAS = 5  # standard errors by which the variance of a layer's sample of weights may miss its law


TRIM = 10  # one step in so many is left out at either end


def trimmed(steps: int) -> slice:
    """The steps that count: all but a tenth, and at least one, at either end (of one or two: all)."""
    edge = max(1, steps // TRIM) if steps > 2 else 0
    return slice(edge, steps - edge)


@dataclass(frozen=True)
class Stretch:
    """A run of steps with a prediction.

    Attributes:
        first, last: its first and last step; step i is that between points i and i + 1.
        setting: in words. log_rates: predicted ln of the growth of ‖gradient‖² towards the input, step by step.
        allowance: what finite width may add to a measured ln λ_G↓ (0 where it is not known).
        mean_square, cosine: predicted for the pre-activations; None where they change from layer to layer.
    """

    first: int
    last: int
    setting: str
    log_rates: Float[np.ndarray, " steps"]
    allowance: float = 0.0
    mean_square: float | None = None
    cosine: float | None = None


@dataclass(frozen=True)
class Surroundings:
    """What a recogniser may look at beside the two points of its step.

    Attributes:
        graph: of the model. norms: the normalisations, by the node of their output.
        next: the point above the step's upper one; None for the last.
    """

    graph: Graph
    norms: Mapping[Node, Call]
    next: Point | None


class Step(Protocol):
    """A step that a theory knows."""

    def continues_with(self, other: Any) -> bool:
        """Whether the next step is of the same stretch."""
        ...

    @staticmethod
    def stretch(first: int, steps: Sequence[Any]) -> Stretch:
        """The prediction for a run of them that begins at step ``first``. Raises InputError, with the reason, if there
        is none."""
        ...
