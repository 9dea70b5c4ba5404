"""How lengths and correlations settle where their rate is 1: like a power of the layer l.

A map x ↦ x − k·x^(1+p) near its fixed point x = 0 gives x ~ (k·p·l)^(−1/p). For the correlation, x = 1 − c: p = 1 for a
smooth φ and 1/2 for one with a kink, so 1 − c ~ 1/l and 1/l². For the length where it vanishes, x = q: tanh has p = 1
and k = 2, so q ~ 1/(2l).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from phasemap.theory.activations import Activation, as_activation
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.length_moments import length_moments
from phasemap.theory.mlp.correlation_map import slope_product
from phasemap.theory.mlp.critical_line import critical_point
from phasemap.theory.mlp.length_map import step
from phasemap.theory.mlp.limits import is_straight, lines_at_zero
from phasemap.theory.mlp.setting import Setting

NEAR = 1e-4
"""A distance from the fixed point at which its map is its leading terms, and still far above rounding."""
RATIO = 16.0


@dataclass(frozen=True)
class PowerLaw:
    """x ~ factor·l^power in deep layers l; the factor to some three digits."""

    power: float
    factor: float

    @classmethod
    def of(cls, slowing: Callable[[float], float], *, integrated: bool) -> PowerLaw | None:
        """The law of x ↦ x·(1 − slowing(x)); or, ``integrated``, of a map with the slope 1 − slowing(x).

        None if there is no such power.
        """
        near, nearer = slowing(NEAR), slowing(NEAR / RATIO)
        if not (near > 0 and nearer > 0):
            return None
        p = round(2 * np.log(near / nearer) / np.log(RATIO)) / 2
        if p <= 0:
            return None
        leading = nearer / (NEAR / RATIO) ** p
        k = leading / (1 + p) if integrated else leading
        return cls(-1 / p, float((k * p) ** (-1 / p)))


@dataclass(frozen=True)
class CriticalExponents:
    """On the critical line: of q where q* = 0, and of 1 − c; None where the approach is no power."""

    q: PowerLaw | None
    correlation: PowerLaw | None


def critical_exponents(activation: Any, sigma_b: float, *, norm: str = "none", eps: float = 0.0) -> CriticalExponents:
    """At the critical σ_w of ``critical_point``.

    Raises:
        InputError: as ``critical_point``, or there is no critical σ_w.
    """
    phi = as_activation(activation)
    point = critical_point(phi, sigma_b, norm=norm, eps=eps)
    if point.sigma_w is None:
        raise InputError(f"--sigma-b {sigma_b}: {point.reasons['sigma_w']}")
    setting = Setting.of(point.sigma_w, sigma_b, norm=norm, eps=eps)
    if phi.degree == 1 and norm == "none":  # the correlation's map is that of any q; 1 − c is slower where q grows
        lines = phi if sigma_b == 0 else None
        return CriticalExponents(None, _of_correlation(lines, setting, 1.0))
    if point.q_star:
        return CriticalExponents(None, _of_correlation(phi, setting, point.q_star))

    def shortening(q: float) -> float:
        return float(1 - step(phi, setting, np.array([q]))[0][0] / q)

    return CriticalExponents(
        PowerLaw.of(shortening, integrated=False), _of_correlation(lines_at_zero(phi), setting, 1.0)
    )


def _of_correlation(phi: Activation | None, setting: Setting, q: float) -> PowerLaw | None:
    """The law of 1 − c at the length q, at which the slope of the map is 1 at c = 1."""
    if phi is None or (phi.degree == 1 and is_straight(phi)):
        return None
    seen = setting.seen(np.array([q])) if phi.degree != 1 else np.ones(1)
    slopes = length_moments(phi, seen).slopes

    def slowing(delta: float) -> float:
        return float(1 - (slope_product(phi, seen, np.array([delta])) / slopes)[0])

    return PowerLaw.of(slowing, integrated=True)
