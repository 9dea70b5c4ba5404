"""How many layers a batch-normalised network can have: κ·ξ, with the κ of the side of the critical ε that it is on.

A layer uses up 1/κ of what a network bears by each e-folding of gradient growth or of signal loss:

    1/reach = explosion/κ_exploding + decay/κ_vanishing   (``phasemap.theory.batchnorm.advice.Rates``).

Below the critical ε the second term is 0; above it the first is, where φ is differentiable at 0. At a kink both act,
and neither makes up for the other. That shares add up is measured for ReLU (docs/advise.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phasemap.sweeps.advice.kappa import Kappa
from phasemap.sweeps.advice.vanishing import Vanishing
from phasemap.theory.batchnorm import advice as bn
from phasemap.theory.batchnorm.setting import Setting

if TYPE_CHECKING:
    import xarray as xr

    from phasemap.sweeps.verdict.depth_scale import Agreement

FAINT = 0.15
"""Share of the signal (``signal_left``) below which networks are not promised κ·ξ layers: with 0.09 of it, by a γ of
0.3, ReLU networks train two thirds as deep as at γ = 1 (docs/advise.md)."""
NEAR = 0.04
"""Change of a parameter that a network should bear: of β, or relative."""
LITTLE = 1e-9
"""A rate below which gradients do not explode: rounding."""


@dataclass(frozen=True)
class Reach:
    """The layers that a network can have.

    Attributes:
        value, low, high: with κ and the ends of its interval; infinite where the theory has no limit. Where it was not
            tried, ``value`` and ``low`` are None and ``high`` is what more layers cannot train.
        kappa: that of the side; None where there is none.
        limit: ``kappa xi``; ``both rates``; ``critical eps`` where no more is promised than at it; ``not tried``.
    """

    value: float | None
    low: float | None
    high: float
    kappa: Kappa | None
    limit: str

    def verdict(self, depth: int) -> str:
        """``trainable``, ``borderline`` (the depth is within κ's interval), ``not trainable`` or ``not tried``."""
        if depth > self.high:
            return "not trainable"
        if self.low is None:
            return "not tried"
        return "trainable" if depth <= self.low else "borderline"


@dataclass(frozen=True)
class Criterion:
    """What a network bears.

    Attributes:
        exploding: κ where gradients explode. vanishing: what is known of where they vanish (``vanishing.known``).
        faint: share of the signal down to which ``exploding`` holds.
    """

    exploding: Kappa
    vanishing: Sequence[Vanishing]
    faint: float = FAINT

    def vanishing_of(self, setting: Setting) -> Vanishing | None:
        """What is known of networks like this one where signal and gradients vanish."""
        return next((one for one in self.vanishing if one.covers(setting)), None)

    def reach(self, setting: Setting, *, look_beyond: bool = False) -> Reach | None:
        """Of one setting; None where the theory has no rate (``bn.rates``)."""
        rates = bn.rates(setting, look_beyond=look_beyond)
        if rates is None:
            return None
        explodes = rates.explosion > LITTLE
        most = self.exploding.high / rates.explosion if explodes else math.inf
        if not rates.decay and not bn.signal_left(setting) < self.faint:
            value, low = (
                k / rates.explosion if explodes else math.inf for k in (self.exploding.value, self.exploding.low)
            )
            return Reach(value, low, most, self.exploding, "kappa xi")
        known = self.vanishing_of(setting)
        if rates.decay == math.inf:
            return Reach(0.0, 0.0, 0.0, known.kappa if known else None, "kappa xi")
        if known is None or (known.at_critical is None and not rates.decay > LITTLE):
            return Reach(None, None, most, None, "not tried")
        pairs = ((getattr(self.exploding, end), getattr(known.kappa, end)) for end in ("value", "low", "high"))
        shares = [rates.explosion / exploding + rates.decay / vanishing for exploding, vanishing in pairs]
        each = [1 / share if share > 0 else math.inf for share in shares]
        at_most = math.inf if known.at_critical is None else known.at_critical
        limit = (
            "critical eps" if at_most < each[0] else "both rates" if explodes and rates.decay > LITTLE else "kappa xi"
        )
        value, low, high = (min(one, at_most) for one in each)
        return Reach(value, low, high, self.exploding if explodes else known.kappa, limit)

    def fragile(self, setting: Setting, name: str, depth: int) -> bool:
        """Whether a network that reaches the depth does not, or nobody knows, with one parameter ``NEAR`` larger or
        smaller: a knife edge. With a κ that has no interval every edge is one."""
        value = float(getattr(setting, name))
        around = (value - NEAR, value + NEAR) if name == "beta" else (value * (1 - NEAR), value * (1 + NEAR))
        return any(self._fails(setting.with_(name, near), depth) for near in around)

    def _fails(self, setting: Setting, depth: int) -> bool:
        found = self.reach(setting)
        return found is None or found.verdict(depth) in ("not trainable", "not tried")

    def used(self, setting: Setting, depth: int, *, look_beyond: bool = False) -> float:
        """depth/reach with the lower end of κ, negative where gradients vanish; NaN where nothing is known."""
        found = self.reach(setting, look_beyond=look_beyond)
        if found is None or found.low is None:
            return math.nan
        rates = bn.rates(setting, look_beyond=look_beyond)
        share = depth / found.low if found.low > 0 else math.inf
        return -share if rates is not None and rates.gradient < 0 else share


def faintest(phase_map: xr.Dataset, found: Agreement) -> float:
    """The least share of the signal in columns that a map's κ of exploding gradients rests on, if below ``FAINT``."""
    import numpy as np

    from phasemap.sweeps.phase_map.columns import column_parameters

    used = np.isfinite(found.ratio) & (np.array(found.prediction.regime) == "exploding")
    columns = [column for column, counts in zip(column_parameters(phase_map), used, strict=True) if counts]
    return min([FAINT, *(bn.signal_left(Setting.of(column)) for column in columns)])
