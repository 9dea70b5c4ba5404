"""The length map q ↦ σ_w²/ρ·E φ(h)² + σ_b², h ~ N(0, s(q)): over a grid of lengths, and its roots between two."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.length_moments import LengthMoments, length_moments
from phasemap.theory.mlp.setting import Setting

GRID = np.concatenate([np.geomspace(1e-32, 1e-8, 24, endpoint=False), np.geomspace(1e-8, 1e8, 64, endpoint=False)])
GRID = np.concatenate([GRID, np.geomspace(1e8, 1e20, 13)])
"""Lengths among which fixed points are looked for. V is an average over a Gaussian, so it varies slowly in ln q."""
ROUNDING = 8e-15
"""Of V, relative: a map that moves q by less does not move it."""
STEPS = 100


def step(phi: Activation, setting: Setting, q: Array) -> tuple[Array, Array]:
    """The next layer's length, and its derivative by q, at q > 0 of the shape [n] of the setting."""
    moments = length_moments(phi, setting.seen(q))
    return setting.next_length(moments), setting.length_rate(moments, q)


def excess(phi: Activation, setting: Setting) -> Float[np.ndarray, "n grid"]:
    """By how much the map lengthens each q of the grid: next/q − 1, 0 where that is rounding."""
    v = table(phi, setting.eps).v
    gain, bias = setting.gain[:, None], setting.bias[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.where(gain > 0, gain * v, 0.0) / GRID - 1 + bias / GRID
    return np.where(np.abs(found) <= ROUNDING, 0.0, found)


def is_increasing(phi: Activation, eps: float | None) -> bool:
    """Whether V increases over the grid, so that a length moves one way only."""
    v = table(phi, eps).v
    v = v[np.isfinite(v)]
    return bool(np.all(v[1:] >= v[:-1] * (1 - 1e-10)))


@lru_cache(maxsize=64)
def table(phi: Activation, eps: float | None) -> LengthMoments:
    """The moments over the grid."""
    return length_moments(phi, GRID if eps is None else GRID / (GRID + eps))


def roots(phi: Activation, setting: Setting, low: Array, high: Array) -> Array:
    """The q [n] between ``low`` and ``high`` that the map keeps, by Newton's method within the bracket."""
    low, high = np.minimum(low, high), np.maximum(low, high)
    q, falls = np.sqrt(low) * np.sqrt(high), np.ones(len(low), dtype=bool)
    if not len(q):
        return q
    falls = step(phi, setting, low)[0] >= low  # the map lengthens below the root
    going = np.arange(len(q))
    for _ in range(STEPS):
        here = setting[going]
        after, rate = step(phi, here, q[going])
        difference = after - q[going]
        below = (difference > 0) == falls[going]  # the root is above
        low[going], high[going] = np.where(below, q[going], low[going]), np.where(below, high[going], q[going])
        with np.errstate(all="ignore"):
            new = q[going] - difference / (rate - 1)
        inside = (new > low[going]) & (new < high[going])
        middle = np.sqrt(low[going]) * np.sqrt(high[going])
        ended = (np.abs(new - q[going]) <= 2e-16 * q[going]) | (high[going] <= low[going] * (1 + 4e-16))
        q[going] = np.where(inside, new, np.where(ended, q[going], middle))
        going = going[~ended]
        if not len(going):
            break
    return q
