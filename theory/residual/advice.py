"""Which decay β_•, depth scaling δ_• or width schedule keeps a residual network's predicted quantity within a level.

The quantities are those of ``theory.residual.quantities`` at the network's depth (Thms C.2 and C.3 of "Deep Mean Field
Theory: Layerwise Variance and Width Variation"). No level is built in here: it is measured, or given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from phasemap.theory.activations import activation
from phasemap.theory.parameter_search import Found, search
from phasemap.theory.residual.quantities import QUANTITIES
from phasemap.theory.residual.recurrence import SCALINGS, residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace

EXPONENTS: dict[str, tuple[str, ...]] = {
    "beta (all four)": ("beta_w", "beta_v", "beta_b", "beta_a"),
    "beta_w = beta_v": ("beta_w", "beta_v"),
    "beta_w = beta_b": ("beta_w", "beta_b"),
    "beta_w": ("beta_w",),
    "beta_v": ("beta_v",),
    "beta_b": ("beta_b",),
    "beta_a": ("beta_a",),
    "depth_scaling_v = depth_scaling_a": ("depth_scaling_v", "depth_scaling_a"),
}
"""What is changed together, by the name it has in the answer. The last is what a block adds, v·φ(h) + a, scaled by the
network's depth."""
LARGEST_EXPONENT, EXPONENT_STEPS = 2.0, 40
COARSE = 1e-4  # precision of an edge (``phasemap.theory.parameter_search.search``)
NARROWEST = 32
"""A schedule does not narrow below this width: the theory is that of wide networks."""
GRADIENTS = ("chi", "chi_w", "chi_v", "chi_w_spread", "chi_sum", "gradient_spread")
"""Quantities that the widths change; p, s and e do not depend on them."""


@dataclass(frozen=True)
class Level:
    """A bound on one quantity, known to an interval.

    Attributes:
        quantity: a name of ``QUANTITIES``.
        value, low, high: the bound and its interval (all the same if it was given rather than measured).
        at_most: whether the quantity must stay below it, or above.
        origin: where it comes from, in words.
    """

    quantity: str
    value: float
    low: float
    high: float
    at_most: bool
    origin: str

    def beyond(self, value: Any) -> Any:
        """How far a value is beyond the safe end of the interval; negative within."""
        return value - self.low if self.at_most else self.high - value

    def verdict(self, value: float) -> str:
        """``within``, ``borderline`` (in the interval) or ``beyond``."""
        if self.beyond(value) <= 0:
            return "within"
        return "borderline" if (value <= self.high if self.at_most else value >= self.low) else "beyond"


@dataclass(frozen=True)
class ResidualSetting:
    """A residual network: the arguments of ``phasemap.theory.residual.recurrence.residual_recurrence``."""

    activation: str
    depth: int
    sigma_w: float = 1.0
    sigma_b: float = 1.0
    sigma_v: float = 1.0
    sigma_a: float = 1.0
    beta_w: float = 0.0
    beta_b: float = 0.0
    beta_v: float = 0.0
    beta_a: float = 0.0
    depth_scaling_w: float = 0.0
    depth_scaling_b: float = 0.0
    depth_scaling_v: float = 0.0
    depth_scaling_a: float = 0.0
    p0: float = 1.0
    gamma0: float = 0.5
    widths: str | None = None
    slope: float = 0.01
    alpha: float = 1.0

    def with_(self, names: Sequence[str], value: float | str) -> ResidualSetting:
        """The same with one value for all of ``names``."""
        changed: dict[str, Any] = dict.fromkeys(names, value)
        return replace(self, **changed)


def predict(setting: ResidualSetting) -> dict[str, float]:
    """Every quantity of ``QUANTITIES`` at the network's depth; NaN where it does not exist.

    Raises:
        InputError: a parameter out of range, or a width schedule of another form.
    """
    trace = _trace(setting)
    return {name: float(of(trace)[-1]) for name, (_, of) in QUANTITIES.items()}


@lru_cache(maxsize=512)
def _trace(setting: ResidualSetting) -> ResidualTrace:
    return _recurrence(setting, {})


def _recurrence(setting: ResidualSetting, instead: dict[str, np.ndarray]) -> ResidualTrace:
    kinds = ("sigma", "beta", "depth_scaling")
    names = [f"{kind}_{which}" for kind in kinds for which in "wbva"] + ["p0", "gamma0", "widths"]
    given: dict[str, Any] = {name: getattr(setting, name) for name in names} | instead
    phi = activation(setting.activation, slope=setting.slope, alpha=setting.alpha)
    return residual_recurrence(phi, setting.depth, **given)


def _beyond(levels: Sequence[Level], trace: ResidualTrace) -> np.ndarray:
    """The largest excess over any level at the trace's depth, shape of its grid; NaN where a quantity is missing."""
    values = [QUANTITIES[level.quantity][1](trace)[..., -1] for level in levels]
    return np.asarray(np.max([level.beyond(value) for level, value in zip(levels, values, strict=True)], axis=0))


def advise_exponent(setting: ResidualSetting, name: str, levels: Sequence[Level]) -> Found:
    """Values from 0 to 2 of the exponents ``EXPONENTS[name]``, all the same, the others as they are, that keep all
    levels."""
    names = EXPONENTS[name]
    even = np.linspace(0.0, LARGEST_EXPONENT, EXPONENT_STEPS + 1)
    grid = np.unique([*even, *(getattr(setting, each) for each in names)])
    known: dict[float, float] = {}
    if "exp(A)" not in (setting.widths or "") or not set(names) & set(SCALINGS):  # which change A, point by point
        scanned = _beyond(levels, _recurrence(setting, dict.fromkeys(names, grid)))
        known = dict(zip(grid.tolist(), scanned.tolist(), strict=True))

    def excess(value: float) -> float:
        if value not in known:
            known[value] = float(_beyond(levels, _trace(setting.with_(names, value))))
        return known[value]

    return search(excess, grid.tolist(), -math.inf, 0.0, precision=COARSE)


def narrowing(width: int, factor: float) -> str:
    """The schedule of the paper's Sec. 6: the width divided by ``factor`` at every layer n²."""
    return f"{width}/{factor:.4g}@n^2"


def advise_widths(setting: ResidualSetting, width: int, levels: Sequence[Level]) -> Found | None:
    """Factors f ≥ 1 of ``narrowing(width, f)`` that keep all levels, down to a last width of ``NARROWEST``.

    The widths multiply χ^(l)/χ^(L) by N^(L)/N^(l) and leave p, s and e alone, so None unless a level is on a gradient.
    """
    if not any(level.quantity in GRADIENTS for level in levels) or width <= NARROWEST:
        return None
    largest = (width / NARROWEST) ** (1 / math.isqrt(setting.depth))

    def excess(factor: float) -> float:
        return float(_beyond(levels, _trace(setting.with_(["widths"], narrowing(width, factor)))))

    return search(excess, np.geomspace(1.0, largest, 13).tolist(), -math.inf, 0.0, logarithmic=True, precision=COARSE)
