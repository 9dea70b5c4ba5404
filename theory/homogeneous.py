"""Positive-homogeneous activations φ(z) = a·max(z,0)^α − b·max(−z,0)^α and their Gaussian kernel.

Source: App. E.1, Yang et al. 2019. J_α is written as hypergeometric functions of c²: exact to rounding for every α.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from phasemap.theory.activations import Activation


@dataclass(frozen=True)
class Homogeneous:
    """φ(z) = a·z^α for z > 0 and −b·|z|^α for z < 0."""

    a: float
    b: float
    alpha: float

    @property
    def c_alpha(self) -> float:
        """c_α = E max(g, 0)^(2α) for a standard Gaussian g (Defn E.7)."""
        return float(2 ** (self.alpha - 1) * special.gamma(self.alpha + 0.5) / np.sqrt(np.pi))

    @property
    def is_linear(self) -> bool:
        return self.alpha == 1 and self.a == self.b

    def kernel(self, c: Float[np.ndarray, "*n"] | float) -> Float[np.ndarray, "*n"]:
        """J_φ(c) = (a²+b²)·J_α(c) − 2ab·J_α(−c), so that E φ(g)φ(g′) = c_α·J_φ(c) at correlation c (Defn E.20)."""
        c, alpha = np.asarray(c, dtype=float), self.alpha
        if alpha == 1:  # J_1 as printed: much faster
            sine, angle = np.sqrt((1 - c) * (1 + c)), np.arcsin(c)
            even, odd = (self.a - self.b) ** 2 * (sine + angle * c), (self.a + self.b) ** 2 * c * np.pi / 2
            return np.asarray((even + odd) / np.pi)
        even = (self.a - self.b) ** 2 * special.hyp2f1(-alpha / 2, -alpha / 2, 0.5, c * c)
        odd = (self.a + self.b) ** 2 * c * special.hyp2f1((1 - alpha) / 2, (1 - alpha) / 2, 1.5, c * c)
        return np.asarray(self._even * even + self._odd * odd)

    def kernel_slope(self, c: Float[np.ndarray, "*n"] | float) -> Float[np.ndarray, "*n"]:
        """J′_φ(c)."""
        c, alpha = np.asarray(c, dtype=float), self.alpha
        if alpha == 1:
            return np.asarray(((self.a - self.b) ** 2 * np.arcsin(c) + (self.a + self.b) ** 2 * np.pi / 2) / np.pi)
        square, half = c * c, (1 - alpha) / 2
        even = (self.a - self.b) ** 2 * alpha**2 * c * special.hyp2f1(1 - alpha / 2, 1 - alpha / 2, 1.5, square)
        odd = (self.a + self.b) ** 2 * special.hyp2f1(half, half, 0.5, square)
        return np.asarray(self._even * even + self._odd * odd)

    @property
    def _even(self) -> float:  # J_α(0), Prop E.11
        return float(
            np.exp(2 * special.gammaln(self.alpha / 2 + 0.5) - special.gammaln(self.alpha + 0.5)) / 2
        ) / np.sqrt(np.pi)

    @property
    def _odd(self) -> float:  # J′_α(0), Prop E.23
        return float(np.exp(2 * special.gammaln(self.alpha / 2 + 1) - special.gammaln(self.alpha + 0.5))) / np.sqrt(
            np.pi
        )


def homogeneous(activation: Activation) -> Homogeneous | None:
    """The parameters a, b, α of a positive-homogeneous activation of degree α > 0, or None."""
    if activation.degree is None or not activation.degree > 0:
        return None
    a, b = activation.phi(np.array([1.0, -1.0]))
    return Homogeneous(float(a), -float(b), float(activation.degree))
