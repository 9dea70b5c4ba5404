"""What the theory of one BN layer needs to know of φ: expectations over one and over two samples of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Row = Float[np.ndarray, " t"]

OF_F = ("f", "fx", "ff", "ffxx", "f00", "f11", "f20")
OF_G = ("g", "gxx", "gg", "ggxx", "ggxxxx", "g00", "g11", "g20", "g22", "g31")
NAMES = OF_F + OF_G
INDEX = {name: row for row, name in enumerate(NAMES)}
FACTORS = np.array([1 if name in ("f", "fx", "g", "gxx") else 2 for name in NAMES])  # how many times φ or φ′ occurs
SQUARE = np.array([INDEX["ff"] if name in OF_F else INDEX["gg"] for name in NAMES])  # the moment that gives the size


@dataclass(frozen=True)
class Moments:
    """Expectations over a uniform point on the sphere, one column for each scale t; x₁, x₂ at mutual cosine −1/(B−1).

    f_a = φ(√(B−1)·t·x_a) − φ(0) and g_a = φ′(√(B−1)·t·x_a). The constant φ(0) is subtracted because the theory only
    sees differences between samples, and without it nothing cancels when the signal is small. By name:

        f, fx: E f₁, E x₁f₁.           ff, ffxx: E f₁², E x₁²f₁².
        f00, f11, f20: E x₁^i f₁ · x₂^j f₂ with ij the two digits (f20 = f02).
        g, gxx: E g₁, E x₁²g₁.         gg, ggxx, ggxxxx: E g₁², E x₁²g₁², E x₁⁴g₁².
        g00, g11, g20, g22, g31: E x₁^i g₁ · x₂^j g₂.

    Attributes:
        rows: in the order of ``NAMES``.
    """

    rows: Float[np.ndarray, "moments t"]

    @staticmethod
    def of(**rows: Row) -> Moments:
        """From one array for each name."""
        return Moments(np.array([rows[name] for name in NAMES]))

    def __getattr__(self, name: str) -> Row:
        if name not in INDEX:
            raise AttributeError(name)
        row: Row = self.rows[INDEX[name]]
        return row

    def scaled(self, scales: Float[np.ndarray, " t"], degree: float) -> Moments:
        """The moments at other scales t of a φ positive-homogeneous of ``degree``, given those at t = 1."""
        power = FACTORS * np.where(INDEX["ff"] == SQUARE, degree, degree - 1)
        return Moments(self.rows * scales ** power[:, None])

    def take(self, order: Int[np.ndarray, " t"]) -> Moments:
        """The moments with their scales reordered."""
        return Moments(self.rows[:, order])

    def average(self, weights: Float[np.ndarray, " t"]) -> Moments:
        """The moments summed over t with weights; the result has one column."""
        return Moments((self.rows @ weights)[:, None])

    def difference(self, other: Moments) -> Float[np.ndarray, " t"]:
        """The largest deviation from ``other`` at each scale, relative to the size of f or φ′."""
        size = np.maximum(np.abs(self.rows[SQUARE]), 1e-300) ** (FACTORS[:, None] / 2)
        with np.errstate(invalid="ignore"):  # where a moment diverges, inf − inf
            gap = np.abs(self.rows - other.rows) / size
        worst: Float[np.ndarray, " t"] = np.max(np.where(np.isfinite(gap), gap, 0.0), axis=0)
        return worst


def widest(fine: Moments, levels: list[Moments]) -> Moments:
    """Entry by entry the level farthest from ``fine``.

    Where refinement does not converge (a kink that was not declared) errors are erratic: two neighbouring levels may
    agree by luck, and only several together show the error.
    """
    rows = np.array([level.rows for level in levels])
    farthest = np.argmax(np.abs(rows - fine.rows), axis=0)
    return Moments(np.take_along_axis(rows, farthest[None], axis=0)[0])


def stack(each: list[Moments]) -> Moments:
    """Moments of several sets of scales, joined."""
    return Moments(np.hstack([moments.rows for moments in each]))
