"""The critical line: the σ_w at which χ₁ = 1, for a given σ_b.

With q as the unknown both are explicit: σ_w² = 1/(E φ′(h)²·s/q) makes χ₁ = 1, and σ_b² = q − σ_w²·E φ(h)² makes q
fixed. So one equation in q is left, whose roots are looked for on the grid of the length map. A root counts if networks
settle there. Dropout has no such line: c = 1 is then no fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from phasemap.theory.activations import Activation, as_activation, value_at_zero
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.length_moments import LengthMoments, length_moments
from phasemap.theory.mlp.fixed_lengths import CRITICAL, reached
from phasemap.theory.mlp.length_map import GRID, ROUNDING, table
from phasemap.theory.mlp.limits import lines_at_zero
from phasemap.theory.mlp.setting import Setting

SAME = 1e-6
"""Relative difference of two lengths that are one, found in two ways."""


@dataclass(frozen=True)
class CriticalPoint:
    """The critical σ_w of one σ_b, and q* there; None is what does not exist, and ``reasons`` say why, by name."""

    sigma_w: float | None
    q_star: float | None
    reasons: dict[str, str]


def critical_point(activation: Any, sigma_b: float, *, norm: str = "none", eps: float = 0.0) -> CriticalPoint:
    """The smallest critical σ_w of networks with biases ~ N(0, σ_b²).

    Raises:
        InputError: a value out of range, or φ needs quadrature and it does not converge.
    """
    phi = as_activation(activation)
    setting = Setting.of(1.0, sigma_b, norm=norm, eps=eps)
    if len(setting) != 1:
        raise InputError("sigma_b: expected one number")
    bias = float(setting.bias[0])
    if phi.degree == 1 and setting.eps is None:
        return _of_degree_one(phi, bias)
    if setting.eps == 0:
        return _normalised(phi, bias)
    if found := [point for q in (0.0, *_roots(phi, setting)) if (point := _reached(phi, setting, q))]:
        return CriticalPoint(*min(found), {})
    why = "there is no σ_w at which the length settles and χ₁ is 1"
    return CriticalPoint(None, None, dict.fromkeys(("sigma_w", "q_star"), why))


def _of_degree_one(phi: Activation, bias: float) -> CriticalPoint:
    """χ₁ = σ_w²·E φ′² whatever q is."""
    square = _square(phi)
    if square == 0:
        return CriticalPoint(None, None, dict.fromkeys(("sigma_w", "q_star"), "φ′ is 0 everywhere"))
    why = "every q is a fixed point: it stays what the input makes it" if bias == 0 else "q grows by σ_b² in each layer"
    return CriticalPoint(square**-0.5, None, {"q_star": why})


def _normalised(phi: Activation, bias: float) -> CriticalPoint:
    """At ε = 0, h ~ N(0, 1): χ₁ = E φ′²/(E φ² + σ_b²/σ_w²)."""
    moments = length_moments(phi, np.ones(1))
    v, slopes = float(moments.v[0]), float(moments.slopes[0])
    both = ("sigma_w", "q_star")
    if abs(slopes - v) <= CRITICAL * v:
        why = "χ₁ = 1 at every σ_w" if bias == 0 else "χ₁ < 1 at every σ_w, and tends to 1 as σ_w grows"
        return CriticalPoint(None, None, dict.fromkeys(both, why))
    if slopes < v or bias == 0:
        why = f"χ₁ {'<' if slopes < v else '>'} 1 at every σ_w"
        return CriticalPoint(None, None, dict.fromkeys(both, why))
    weight = bias / (slopes - v)
    return CriticalPoint(float(np.sqrt(weight)), weight * v + bias, {})


def _roots(phi: Activation, setting: Setting) -> list[float]:
    """Every q > 0 of the grid's span at which χ₁ = 1 and q is fixed."""

    def missing(q: Array, moments: LengthMoments) -> Array:
        with np.errstate(all="ignore"):
            found = 1 - moments.v / (moments.slopes * setting.factor(q) * q) - setting.bias / q
        return np.where(np.abs(found) <= ROUNDING, 0.0, found)

    def at(q: float) -> float:
        place = np.array([q])
        return float(missing(place, length_moments(phi, setting.seen(place)))[0])

    over = missing(GRID, table(phi, setting.eps))
    places = np.flatnonzero(np.isfinite(over[:-1]) & np.isfinite(over[1:]) & (over[:-1] * over[1:] < 0))
    return [float(brentq(at, GRID[i], GRID[i + 1], xtol=1e-40, rtol=8.9e-16)) for i in places]


def _reached(phi: Activation, setting: Setting, q: float) -> tuple[float, float] | None:
    """σ_w and q of a root, if that is where networks settle whose inputs have mean square 1."""
    if q > 0:
        place = np.array([q])
        weight = 1 / (length_moments(phi, setting.seen(place)).slopes * setting.factor(place))
    else:
        slopes = _slopes_at_zero(phi, setting)
        if value_at_zero(phi) != 0 or setting.bias[0] > 0 or slopes == 0:
            return None
        weight = np.array([1 / slopes])
    settled = float(reached(phi, Setting(weight, setting.bias, setting.keep, setting.eps), weight + setting.bias).q[0])
    return (float(np.sqrt(weight[0])), q) if abs(settled - q) <= SAME * q else None


def _slopes_at_zero(phi: Activation, setting: Setting) -> float:
    lines = lines_at_zero(phi)
    return 0.0 if lines is None else _square(lines) * float(setting.factor(np.zeros(1))[0])


def _square(lines: Activation) -> float:
    return float(length_moments(lines, np.ones(1)).slopes[0])
