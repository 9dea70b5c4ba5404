"""What one layer does: z = W·y + b, y = φ(z) or φ(LN(z)), each unit kept with probability ρ and divided by ρ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from phasemap.theory.arguments.arrays import numbers
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.length_moments import LengthMoments
from phasemap.theory.ranges import brief, wrong

NORMS = ("none", "layer")


@dataclass(frozen=True)
class Setting:
    """Networks with W ~ N(0, σ_w²/fan_in) and b ~ N(0, σ_b²), one or many. φ sees N(0, s) where z has variance q:
    s = q, or q/(q + ε) with layer normalisation.

    Attributes:
        weight: σ_w². bias: σ_b². keep: ρ. Arrays of one shape [n].
        eps: ε of layer normalisation; None without.
    """

    weight: Array
    bias: Array
    keep: Array
    eps: float | None = None

    @classmethod
    def of(cls, sigma_w: Any, sigma_b: Any, keep: Any = 1.0, norm: str = "none", eps: Any = 0.0) -> Setting:
        """The setting of numbers, or of arrays that broadcast together; ε is one number.

        Raises:
            InputError: a number out of its range, or no such norm.
        """
        w, b, rho = together(sigma_w=sigma_w, sigma_b=sigma_b, keep=keep)
        (epsilon,) = together(eps=eps)
        if epsilon.ndim:
            raise InputError("eps: expected one number")
        if not isinstance(norm, str) or norm not in NORMS:
            raise InputError(f"--norm {brief(norm)}: expected one of {', '.join(NORMS)}")
        return cls(w.ravel() ** 2, b.ravel() ** 2, rho.ravel(), float(epsilon) if norm == "layer" else None)

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, rows: Any) -> Setting:
        """Some of the networks."""
        return Setting(self.weight[rows], self.bias[rows], self.keep[rows], self.eps)

    @property
    def gain(self) -> Array:
        """σ_w²/ρ: what E φ² is multiplied by, as a unit that is kept is 1/ρ times as large."""
        return self.weight / self.keep

    def seen(self, q: Array) -> Array:
        """s, the variance of what φ sees, at the variance q > 0 of z."""
        return q if self.eps is None else q / (q + self.eps)

    def factor(self, q: Array) -> Array:
        """s/q at q ≥ 0: by what layer normalisation multiplies a covariance."""
        if self.eps is None:
            return np.ones_like(q)
        with np.errstate(divide="ignore"):
            return 1 / (q + self.eps)

    def next_length(self, moments: LengthMoments) -> Array:
        """q of the next layer: σ_w²/ρ·V(s) + σ_b²."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(self.gain > 0, self.gain * moments.v, 0.0) + self.bias

    def length_rate(self, moments: LengthMoments, q: Array) -> Array:
        """The derivative of the next layer's q by q."""
        inner = 1.0 if self.eps is None else self.eps * self.factor(q) ** 2
        return self.gain * moments.rate * inner


def together(**given: Any) -> list[Array]:
    """Numbers or arrays, named as ``theory.ranges`` names them, as float64 arrays of one shape.

    Raises:
        InputError: no number, one out of its range (a line for each name), or shapes that do not broadcast.
    """
    arrays = {name: numbers(name, value) for name, value in given.items()}
    mistakes = [[line for one in np.unique(value) for line in wrong(name, one)] for name, value in arrays.items()]
    if any(mistakes):
        raise InputError(*(lines[0] for lines in mistakes if lines))
    try:
        return list(np.broadcast_arrays(*arrays.values()))
    except ValueError as error:
        told = ", ".join(f"{name} {value.shape}" for name, value in arrays.items() if value.shape)
        raise InputError(f"shapes do not broadcast: {told}") from error
