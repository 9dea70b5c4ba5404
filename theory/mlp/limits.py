"""What φ becomes where the lengths vanish or grow without bound: two lines, a·z for z > 0 and b·z for z < 0."""

from __future__ import annotations

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.integrals.gaussian_quadrature import Quadrature
from phasemap.theory.integrals.gaussian_transforms import transforms

STEEPEST = 1e30
"""A slope at 0 beyond which φ has none there, as |z|^α with α < 1."""


def lines_at_zero(phi: Activation) -> Activation | None:
    """φ's tangents at 0 from either side, where φ(0) = 0; None if φ is steeper than any line there."""
    if phi.degree == 1:
        return phi
    with np.errstate(all="ignore"):
        right, left = (float(slope) for slope in phi.derivative(np.array([1e-200, -1e-200])))
    return _lines(right, left) if max(abs(right), abs(left)) <= STEEPEST else None


def far_lines(phi: Activation) -> Activation | None:
    """The two lines that φ follows far out; None if it follows none."""
    if phi.degree == 1:
        return phi
    rule = transforms(phi)
    found = rule.lines if isinstance(rule, Quadrature) else None
    return None if found is None else _lines(found.a, -found.b)


def _lines(right: float, left: float) -> Activation:
    return Activation(
        "lines",
        lambda z: np.where(np.asarray(z) > 0, right, left) * z,
        lambda z: np.where(np.asarray(z) > 0, right, left),
        (0.0,),
        1.0,
        f"lines {right:g}, {left:g}",
    )


def is_straight(lines: Activation) -> bool:
    """Whether the two lines are one, so that φ keeps every correlation."""
    right, left = (float(slope) for slope in lines.derivative(np.array([1.0, -1.0])))
    return bool(abs(right - left) <= 1e-14 * abs(right))
