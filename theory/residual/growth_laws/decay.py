"""What the growth laws of both activations take and give: the decay of the variances, and the limit of e."""

from __future__ import annotations

import math
from dataclasses import dataclass

from phasemap.theory.errors import InputError


@dataclass(frozen=True)
class Decay:
    """The hyperparameters of one network: variances σ²·l^(−β), all β ≥ 0."""

    sigma_w: float = 1.0
    sigma_b: float = 1.0
    sigma_v: float = 1.0
    sigma_a: float = 1.0
    beta_w: float = 0.0
    beta_b: float = 0.0
    beta_v: float = 0.0
    beta_a: float = 0.0

    def __post_init__(self) -> None:
        mistakes = [
            f"{name} {value}: expected a finite number of at least 0"
            for name, value in vars(self).items()
            if not 0 <= value < math.inf
        ]
        if mistakes:
            raise InputError(*mistakes)


@dataclass(frozen=True)
class CosineLimit:
    """e* = lim e^(l): a number, or None where it depends on the input; |e − e*| = Θ(l^rate) where the rate is known."""

    value: float | None
    rate: float | None = None
    source: str = ""
