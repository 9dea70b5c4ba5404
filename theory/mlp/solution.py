"""Everything that the theory says of deep layers: lengths, correlations, gradients, and how fast they settle."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from phasemap.theory.activations import Activation, as_activation
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.length_moments import length_moments
from phasemap.theory.mlp.correlation_map import fixed_distance, slope_product
from phasemap.theory.mlp.fixed_lengths import CRITICAL, Lengths, Where, reached
from phasemap.theory.mlp.limits import far_lines, is_straight, lines_at_zero
from phasemap.theory.mlp.setting import Setting, together

AT_ONCE = 2048
"""Networks that are worked on together."""


@dataclass(frozen=True)
class Solution:
    """Arrays of one shape, that of the parameters broadcast together; NaN is what does not exist.

    Attributes:
        where: a ``Where``: whether the lengths settle at a finite q*, vanish, grow, or keep any value.
        q_star: the variance of a pre-activation in deep layers. length_rate: dq′/dq there.
        distance: δ* = 1 − c*, with c* the correlation of two inputs' pre-activations in deep layers.
        keep: ρ.
        chi_1: σ_w²·E φ′(h)²·s/q, the slope of the correlation map at c = 1 without dropout.
        chi_1_dropout: χ₁/ρ, by which the mean squared gradient is multiplied in each layer towards the input.
        chi_c: σ_w²·E φ′(h)φ′(h̃)·s/q at c*.
    """

    where: Int[np.ndarray, "*grid"]
    q_star: Float[np.ndarray, "*grid"]
    length_rate: Float[np.ndarray, "*grid"]
    distance: Float[np.ndarray, "*grid"]
    keep: Float[np.ndarray, "*grid"]
    chi_1: Float[np.ndarray, "*grid"]
    chi_1_dropout: Float[np.ndarray, "*grid"]
    chi_c: Float[np.ndarray, "*grid"]

    @property
    def c_star(self) -> Float[np.ndarray, "*grid"]:
        """c*."""
        return np.asarray(1 - self.distance)

    @property
    def xi_q(self) -> Float[np.ndarray, "*grid"]:
        """Layers in which the distance of q from q* falls by a factor e; infinite where the rate is 1."""
        return depth_scale(np.asarray(np.abs(self.length_rate)))

    @property
    def xi_c(self) -> Float[np.ndarray, "*grid"]:
        """The same of the covariance of two inputs."""
        return depth_scale(np.where(self.where == Where.INFINITE, np.nan, self.chi_c))

    @property
    def xi_grad(self) -> Float[np.ndarray, "*grid"]:
        """Layers in which the mean squared gradient changes by a factor e."""
        return depth_scale(self.chi_1_dropout)

    @property
    def regime(self) -> np.ndarray:
        """``ordered`` (χ₁ < 1), ``critical`` or ``chaotic`` (χ₁ > 1); empty where the lengths do not settle.

        With dropout c* < 1 on both sides, so nothing is critical.
        """
        settles = (self.where != Where.INFINITE) & ~np.isnan(self.chi_1)
        critical = np.abs(self.chi_1 - 1) <= CRITICAL
        names = np.where(
            critical, np.where(self.keep == 1, "critical", ""), np.where(self.chi_1 < 1, "ordered", "chaotic")
        )
        return np.where(settles, names, "")


def depth_scale(rate: Float[np.ndarray, "*grid"]) -> Float[np.ndarray, "*grid"]:
    """1/|ln rate|: 0 at rate 0, infinite where the rate is 1 to twelve digits, NaN where it is infinite."""
    with np.errstate(divide="ignore"):
        found = np.where(np.abs(rate - 1) <= CRITICAL, np.inf, 1 / np.abs(np.log(rate)))
    return np.where(np.isinf(rate), np.nan, found)


def solve(
    activation: Any,
    sigma_w: Any,
    sigma_b: Any = 0.0,
    *,
    keep: Any = 1.0,
    norm: str = "none",
    eps: float = 0.0,
    q0: Any = 1.0,
) -> Solution:
    """The theory at every point of σ_w, σ_b, ρ and q0, which are numbers or arrays that broadcast together.

    Args:
        activation: a name, or an ``Activation``.
        sigma_w, sigma_b: weights ~ N(0, σ_w²/fan_in), biases ~ N(0, σ_b²).
        keep: ρ, the probability that dropout keeps a unit. norm: ``none``, or ``layer``: normalisation before φ, with
            ``eps``.
        q0: mean square of an input's coordinates. It matters where several q* attract.

    Raises:
        InputError: a value out of range, or φ needs quadrature and it does not converge.
    """
    w, b, rho, size = together(sigma_w=sigma_w, sigma_b=sigma_b, keep=keep, q0=q0)
    setting = Setting.of(w, b, rho, norm, eps)
    phi = as_activation(activation)
    start = setting.weight * size.ravel() + setting.bias
    parts = [
        _solved(phi, setting[rows], reached(phi, setting[rows], start[rows]))
        for first in range(0, len(setting), AT_ONCE)
        for rows in [slice(first, first + AT_ONCE)]
    ]
    joined = {
        each.name: np.concatenate([getattr(part, each.name) for part in parts]).reshape(w.shape)
        for each in fields(Solution)
    }
    return Solution(**joined)


def _solved(phi: Activation, setting: Setting, lengths: Lengths) -> Solution:
    n = len(setting)
    distance, chi_1, chi_c = np.full((3, n), np.nan)
    for where, seen_as in (
        (Where.FINITE, phi),
        (Where.ZERO, lines_at_zero(phi)),
        (Where.ANY, lines_at_zero(phi)),
        (Where.INFINITE, far_lines(phi)),
    ):
        rows = np.flatnonzero(lengths.where == where)
        if seen_as is None or not len(rows):
            continue
        finite, here = where == Where.FINITE, setting[rows]
        q = lengths.q[rows] if finite else np.ones(len(rows))
        seen, factor = (here.seen(q), here.factor(q)) if finite else (q, here.factor(np.zeros(len(rows))))
        moments = length_moments(seen_as, seen)
        after = q if finite else here.gain * moments.v
        chi_1[rows] = _times(here.weight, factor, moments.slopes)
        distance[rows], chi_c[rows] = _correlations(seen_as, here, seen, after, chi_1[rows], factor, lines=not finite)
    chi_c[lengths.where == Where.INFINITE] = distance[lengths.where == Where.INFINITE] = np.nan
    return Solution(lengths.where, lengths.q, lengths.rate, distance, setting.keep, chi_1, chi_1 / setting.keep, chi_c)


def _correlations(
    phi: Activation,
    setting: Setting,
    seen: Array,
    after: Array,
    chi_1: Array,
    factor: Array,
    *,
    lines: bool,
) -> tuple[Array, Array]:
    """δ* and χ_c. Two lines keep the correlation's own map, whose slope at c = 1 is 1, whatever the gain."""
    slope = np.ones(len(chi_1)) if lines else chi_1
    exists = np.isfinite(chi_1) & (after > 0)
    above = exists & ((slope > 1 + CRITICAL) | (setting.keep < 1))
    distance = np.where(exists, 0.0, np.nan)
    distance[above] = fixed_distance(phi, setting[above], seen[above], after[above])
    chi_c = np.where(np.isfinite(chi_1), chi_1, np.nan)
    chi_c[above] = _times(setting.weight[above], factor[above], slope_product(phi, seen[above], distance[above]))
    if lines and is_straight(phi):  # without dropout a line keeps every correlation
        distance[setting.keep == 1] = np.nan
    return distance, chi_c


def _times(weight: Array, factor: Array, moment: Array) -> Array:
    """Their product; 0 where the weight is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(weight > 0, weight * factor * moment, 0.0)
