"""What the theory of one BN layer needs to know of φ: expectations over one and over two samples of a batch."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int

Row = Float[np.ndarray, " t"]


@dataclass(frozen=True)
class Moments:
    """Expectations over a uniform point on the sphere, one entry for each scale t; x₁, x₂ at mutual cosine −1/(B−1).

    f_a = φ(√(B−1)·t·x_a) − φ(0) and g_a = φ′(√(B−1)·t·x_a). The constant φ(0) is subtracted because the theory only
    sees differences between samples, and without it nothing cancels when the signal is small.

    Attributes:
        f, fx: E f₁, E x₁f₁.           ff, ffxx: E f₁², E x₁²f₁².
        f00, f11, f20: E x₁^i f₁ · x₂^j f₂ with ij the two digits (f20 = f02).
        g, gxx: E g₁, E x₁²g₁.         gg, ggxx, ggxxxx: E g₁², E x₁²g₁², E x₁⁴g₁².
        g00, g11, g20, g22, g31: E x₁^i g₁ · x₂^j g₂.
    """

    f: Row
    fx: Row
    ff: Row
    ffxx: Row
    f00: Row
    f11: Row
    f20: Row
    g: Row
    gxx: Row
    gg: Row
    ggxx: Row
    ggxxxx: Row
    g00: Row
    g11: Row
    g20: Row
    g22: Row
    g31: Row

    def scaled(self, scales: Float[np.ndarray, " t"], degree: float) -> Moments:
        """The moments at other scales t of a positive-homogeneous φ, given those at t = 1."""
        power = {"f": degree, "fx": degree, "g": degree - 1, "gxx": degree - 1}
        pairs = {k.name: 2 * (degree if k.name[0] == "f" else degree - 1) for k in fields(self)}
        return Moments(**{name: getattr(self, name) * scales**exponent for name, exponent in (pairs | power).items()})

    def take(self, order: Int[np.ndarray, " t"]) -> Moments:
        """The moments with their scales reordered."""
        return Moments(**{k.name: getattr(self, k.name)[order] for k in fields(self)})

    def average(self, weights: Float[np.ndarray, " t"]) -> Moments:
        """The moments summed over t with weights; the result has one entry."""
        return Moments(**{k.name: np.atleast_1d(np.sum(weights * getattr(self, k.name))) for k in fields(self)})

    def difference(self, other: Moments) -> Float[np.ndarray, " t"]:
        """The largest deviation from ``other`` at each scale, relative to the size of f or φ′."""
        size = {"f": np.maximum(np.abs(self.ff), 1e-300), "g": np.maximum(np.abs(self.gg), 1e-300)}
        worst = np.zeros_like(self.ff)
        for k in fields(self):
            scale = size[k.name[0]]
            scale = np.sqrt(scale) if k.name in ("f", "fx", "g", "gxx") else scale
            gap = np.abs(getattr(self, k.name) - getattr(other, k.name)) / scale
            worst = np.maximum(worst, np.where(np.isfinite(gap), gap, 0.0))
        return worst
