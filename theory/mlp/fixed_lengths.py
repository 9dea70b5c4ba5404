"""Where the length map leads: its fixed points q*, which of them attract, and which is reached from a given length."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar

from phasemap.theory.activations import Activation, value_at_zero
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.length_moments import length_moments
from phasemap.theory.mlp.length_map import GRID, ROUNDING, excess, is_increasing, roots, step, table
from phasemap.theory.mlp.limits import lines_at_zero
from phasemap.theory.mlp.setting import Setting

CRITICAL = 1e-12
"""A factor a layer that is this near to 1 is 1."""
NEARLY = 0.05
"""Relative distance of the map from q below which it may touch q between two points of the grid."""
WANDERING = 64
"""Layers after which a length moves one way only, where V is not increasing (some φ of one's own)."""
Excess = Float[np.ndarray, " grid"]


class Where(IntEnum):
    """Where the lengths of deep layers are."""

    FINITE = 0
    ZERO = 1
    INFINITE = 2
    ANY = 3


@dataclass(frozen=True)
class Lengths:
    """Of each network: q* (0, ∞, or NaN where it is any), dq′/dq there (NaN at ∞), and a ``Where``."""

    q: Array
    rate: Array
    where: Int[np.ndarray, " n"]


def reached(phi: Activation, setting: Setting, start: Array) -> Lengths:
    """Where the length map leads from the lengths ``start`` [n].

    It always leads somewhere: √q·E φ(h)² = ∫ φ(u)²·e^(−u²/2q)du/√2π increases in q, so the map has no cycles of two
    lengths, and one without these has no others (Coppel 1955).

    Raises:
        InputError: φ needs quadrature, and E φ² or E φ′² does not converge.
    """
    if phi.degree == 1 and setting.eps is None:
        return _of_degree_one(phi, setting)
    n = len(setting)
    q, where = np.full(n, np.nan), np.zeros(n, dtype=int)
    low, high = np.full(n, np.nan), np.full(n, np.nan)
    start = np.clip(start, GRID[0], GRID[-1])
    if not is_increasing(phi, setting.eps):
        for _ in range(WANDERING):
            start = np.clip(step(phi, setting, start)[0], GRID[0], GRID[-1])
    here, over = step(phi, setting, start)[0] / start - 1, excess(phi, setting)
    for row in range(n):
        found = _bracket(phi, setting[row : row + 1], over[row], float(start[row]), float(here[row]))
        if isinstance(found, Where):
            where[row] = found
        else:
            low[row], high[row] = found
    between = np.isfinite(low)
    q[between] = roots(phi, setting[between], low[between], high[between])
    return _with_rates(phi, setting, q, where)


def all_fixed(phi: Activation, setting: Setting) -> list[tuple[float, float]]:
    """Every fixed point of one network's length map, with dq′/dq there; none where any q is fixed.

    Raises:
        InputError: as ``reached``.
    """
    if phi.degree == 1 and setting.eps is None:
        found = _of_degree_one(phi, setting)
        gain = float(setting.gain[0] * length_moments(phi, np.ones(1)).v[0])
        if found.where[0] == Where.ANY:
            return []
        zero = [(0.0, gain)] if setting.bias[0] == 0 else []
        return zero if found.where[0] != Where.FINITE else [(float(found.q[0]), gain)]
    over = excess(phi, setting)[0]
    if not over[np.isfinite(over)].any():
        return []
    signs = np.sign(over)
    moves = np.flatnonzero(signs)
    ends = [(GRID[i], GRID[j]) for i, j in itertools.pairwise(moves) if signs[i] * signs[j] < 0]
    keeps_zero = _keeps_zero(phi, setting)
    if not keeps_zero and over[0] < 0:
        ends.insert(0, (_least(phi, setting), GRID[0]))
    for i in range(1, len(GRID) - 1):
        if turn := _turn(phi, setting, over, i):
            ends += [(GRID[i - 1], turn), (turn, GRID[i + 1])]
    low, high = (np.array([end[side] for end in ends]) for side in (0, 1))
    many = setting[np.zeros(len(ends), dtype=int)]
    q = np.sort(roots(phi, many, low, high))
    rates = step(phi, many, q)[1] if len(q) else q
    zero = [(0.0, float(_rate_at_zero(phi, setting)[0]))] if keeps_zero else []
    return zero + list(zip(q.tolist(), rates.tolist(), strict=True))


def _of_degree_one(phi: Activation, setting: Setting) -> Lengths:
    """V is proportional to q: q* = σ_b²/(1 − growth)."""
    growth = setting.gain * length_moments(phi, np.ones(1)).v[0]
    steady = np.abs(growth - 1) <= CRITICAL
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(setting.bias > 0, setting.bias / np.abs(1 - growth), 0.0)
    q = np.where(steady | (growth > 1), np.where(steady & (setting.bias == 0), np.nan, np.inf), q)
    where = np.select(
        [np.isnan(q), np.isinf(q), q == 0], [Where.ANY, Where.INFINITE, Where.ZERO], default=int(Where.FINITE)
    )
    return Lengths(q, np.where(np.isinf(q), np.nan, growth), where)


def _bracket(phi: Activation, setting: Setting, over: Excess, start: float, here: float) -> tuple[float, float] | Where:
    """Two lengths around the fixed point that an increasing map leads to; or where it leads otherwise."""
    up = here > ROUNDING
    if up:
        places = np.flatnonzero(start < GRID)
        stops = places[over[places] < 0]
        end = int(stops[0]) if len(stops) else len(GRID)
        turning = range(max(int(places[0]) if len(places) else end, 1), min(end, len(GRID) - 1))
    else:
        if abs(here) <= ROUNDING and not over[np.isfinite(over)].any():
            return Where.ANY
        places = np.flatnonzero(start > GRID)
        stops = places[over[places] > 0]
        end = int(stops[-1]) if len(stops) else -1
        turning = range(min(int(places[-1]) if len(places) else end, len(GRID) - 2), max(end, 0), -1)
    for i in turning:
        if turn := _turn(phi, setting, over, i):
            return (max(start, GRID[i - 1]), turn) if up else (turn, min(start, GRID[i + 1]))
    if up:
        return Where.INFINITE if end == len(GRID) else (max(start, GRID[end - 1]), float(GRID[end]))
    if end >= 0:
        return float(GRID[end]), min(start, float(GRID[end + 1]))
    return Where.ZERO if _keeps_zero(phi, setting) else (_least(phi, setting), start)


def _turn(phi: Activation, setting: Setting, over: Excess, i: int) -> float | None:
    """A length near a point of the grid where the map is on the other side of q than at the three points around it."""
    side = np.sign(over[i])
    near = side * over[i - 1 : i + 2]
    if not (0 < near[1] < NEARLY and near[0] >= near[1] <= near[2] and near[0] > 0 and near[2] > 0):
        return None

    def distance(log_q: float) -> float:
        q = np.array([np.exp(log_q)])
        return float(side * (step(phi, setting, q)[0] / q - 1)[0])

    found = minimize_scalar(distance, bounds=np.log(GRID[[i - 1, i + 1]]), method="bounded", options={"xatol": 1e-7})
    return float(np.exp(found.x)) if found.fun < -ROUNDING else None


def _with_rates(phi: Activation, setting: Setting, q: Array, where: Int[np.ndarray, " n"]) -> Lengths:
    """With the map's derivative where the lengths are."""
    finite, rate = np.isfinite(q), np.full(len(q), np.nan)
    rate[finite] = step(phi, setting[finite], q[finite])[1]
    zero, infinite = where == Where.ZERO, where == Where.INFINITE
    q = np.select([zero, infinite], [0.0, np.inf], default=q)
    rate[zero] = _rate_at_zero(phi, setting[zero])
    rate[where == Where.ANY] = 1.0
    return Lengths(q, rate, where)


def _keeps_zero(phi: Activation, setting: Setting) -> bool:
    """Whether q = 0 is a fixed point of one network, to the least length of the grid."""
    # at ε = 0 h has variance 1 however small q is
    square = float(table(phi, setting.eps).v[0]) if setting.eps == 0 else value_at_zero(phi) ** 2
    return bool(setting.gain[0] * square + setting.bias[0] < GRID[0])


def _rate_at_zero(phi: Activation, setting: Setting) -> Array:
    lines = lines_at_zero(phi)
    if setting.eps == 0:  # the map has one value
        return np.zeros(len(setting))
    if lines is None:
        return np.full(len(setting), np.inf)
    return setting.gain * length_moments(lines, np.ones(1)).v[0] * setting.factor(np.zeros(len(setting)))


def _least(phi: Activation, setting: Setting) -> float:
    """A length below every fixed point of a map that does not keep 0."""
    return float(setting.gain[0] * value_at_zero(phi) ** 2 + setting.bias[0]) / 2
