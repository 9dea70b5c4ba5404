"""What makes a deep batch-normalised network trainable by theory: |ln λ| ≤ κ/depth, and which γ, β, ε or B gives it.

Gradients grow or vanish by e over ξ = 1/|ln λ_G↓| layers, and networks train up to κ·ξ layers (Yang et al. 2019, Sec.
4: κ = 16). The criterion is two-sided: below the critical ε gradients explode, above it they vanish, and what is
within κ·ξ is a wedge around it. Where the signal collapses (μ* = 0) at a kink of φ, it does so by ε_c/ε a layer while
gradients still may explode: there the faster of the two rates counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from phasemap.theory.batchnorm.fixed_point import critical_eps
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.batchnorm.infinite_batch import LARGE, infinite_batch, limit_record
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous
from phasemap.theory.parameter_search import PRECISION, Found, search

PARAMETERS = ("gamma", "beta", "eps", "batch_size")
COARSE = 1e-4  # precision of an edge (``phasemap.theory.parameter_search.search``) where every value is costly
HOPELESS = 4.0
"""A point of a costly scan is left out where ε = 0 gives a rate so many times too large, and larger than here."""
CLOSE = 0.05
"""How far on either side of an edge that ε = 0 gives a costly scan looks: in β, or relative otherwise."""


@dataclass(frozen=True)
class Predicted:
    """The theory of one setting.

    Attributes:
        rate: λ_G↓. xi: ξ in layers, infinite when critical; None where there is none, with the ``reason``.
        error: estimated absolute error of ξ (of the rate's logarithm times ξ² near a critical point).
        regime: ``exploding``, ``critical``, ``vanishing``, or None.
        signal_xi: depth scale of the signal's own decay where it collapses, else None.
    """

    rate: float | None
    xi: float | None
    error: float
    regime: str | None
    signal_xi: float | None
    reason: str

    @property
    def governing_xi(self) -> float | None:
        """The shorter of ξ and the signal's depth scale: what κ multiplies."""
        return None if self.xi is None else min(self.xi, math.inf if self.signal_xi is None else self.signal_xi)


@lru_cache(maxsize=4096)
def _record(setting: Setting) -> dict[str, Any]:
    if math.isinf(setting.batch_size):
        return limit_record(setting.phi, eps=setting.eps, sigma_w=setting.sigma_w)
    return batchnorm_record(setting.phi, int(setting.batch_size), eps=setting.eps, sigma_w=setting.sigma_w)


def predict(setting: Setting) -> Predicted:
    """ξ with its error and regime; None with the reason where the theory gives none (BSB1 repels, φ constant, …).

    Raises:
        InputError: the setting itself is no network (batch size 2, negative ε, unknown activation).
    """
    record = _record(setting)
    rate, regime, reasons = record["backward"]["G"], record["regime"], record["reasons"]
    if rate is None or regime is None:
        return Predicted(rate, None, 0.0, None, None, reasons.get("regime") or reasons.get("backward.G", ""))
    if math.isinf(setting.batch_size):
        found = infinite_batch(setting.phi, eps=setting.eps, sigma_w=setting.sigma_w).depth_scale
    else:
        found = depth_scale(setting.phi, int(setting.batch_size), eps=setting.eps, sigma_w=setting.sigma_w)
    signal = _signal_scale(setting) if record["mu_star"] == 0 else None
    return Predicted(rate, found.xi, found.error if math.isfinite(found.xi) else 0.0, regime, signal, "")


def _signal_scale(setting: Setting) -> float:
    """1/ln(ε/ε_c): the spread μ of a signal that collapses falls by ε_c/ε a layer."""
    size = int(min(setting.batch_size, LARGE))
    critical = critical_eps(setting.phi, size, setting.sigma_w)
    if critical == 0:
        return 0.0
    return 1 / math.log(setting.eps / critical) if setting.eps > critical else math.inf


def log_rate(setting: Setting) -> float:
    """ln λ_G↓: positive where gradients explode, negative where they vanish; NaN where the theory gives no rate.

    Where the signal collapses faster than that, −ln(ε/ε_c).
    """
    try:
        record = _record(setting)
    except InputError:  # the limit has no collapse at a kink
        return math.nan
    rate = record["backward"]["G"]
    if rate is None or record["regime"] is None:
        return math.nan
    value = math.log(rate) if rate > 0 else -math.inf
    if record["mu_star"] == 0:
        scale = _signal_scale(setting)
        decay = -math.inf if scale == 0 else -1 / scale
        return min(value, decay) if value <= 0 else (value if value >= -decay else decay)
    return value


def advise(setting: Setting, parameter: str, tolerance: float) -> Found:
    """Values of one parameter, the others as they are, at which |ln λ| ≤ ``tolerance`` (κ/depth).

    Args:
        parameter: one of ``PARAMETERS``; the answer holds the range that was scanned.
    """
    now = float(getattr(setting, parameter))
    points = _range(setting, parameter)
    if math.isfinite(now) and (now > 0 or parameter == "beta"):
        points.add(now)
    if _costly(setting, parameter):
        return _search(setting, parameter, tolerance, _thinned(setting, parameter, tolerance, points), COARSE)
    return _search(setting, parameter, tolerance, points)


def _search(
    setting: Setting, parameter: str, tolerance: float, points: set[float], precision: float = PRECISION
) -> Found:
    return search(
        lambda value: log_rate(setting.with_(parameter, value)),
        sorted(points),
        -tolerance,
        tolerance,
        logarithmic=parameter != "beta",
        integer=parameter == "batch_size",
        precision=precision,
    )


def limit(setting: Setting) -> Predicted:
    """The same at infinite batch size, which ξ approaches like 1/B. Raises InputError where it does not exist."""
    return predict(replace(setting, batch_size=math.inf))


def _range(setting: Setting, parameter: str) -> set[float]:
    """Where a scan looks."""
    if parameter == "gamma":
        return set(np.geomspace(2.0**-6, 2.0**3, 19).tolist())
    if parameter == "beta":
        return set(np.linspace(-4.0, 4.0, 17).tolist())
    if parameter == "batch_size":
        return {4.0 if setting.eps == 0 else 3.0, *(2.0**k for k in range(2, 17))}
    critical = critical_eps(setting.phi, int(min(setting.batch_size, LARGE)), setting.sigma_w)
    usual = critical if 0 < critical < math.inf else 1.0
    around = (usual * factor for factor in (0.9, 0.99, 0.999, 1.0, 1.001, 1.01, 1.1))
    return {*np.geomspace(1e-6, max(10 * usual, 1e-5), 22).tolist(), *around}


def _costly(setting: Setting, parameter: str) -> bool:
    """Whether each value needs a new table of moments of a kinked φ: 0.05 to 2 s, against milliseconds at ε = 0."""
    kinked = bool(setting.phi.kinks) and (parameter == "beta" or homogeneous(setting.phi) is None)
    return kinked and setting.eps > 0 and parameter != "eps"


def _thinned(setting: Setting, parameter: str, tolerance: float, points: set[float]) -> set[float]:
    """Points for the costly theory, chosen by that of ε = 0, which small ε is close to: next to its edges, at its ends
    and its best, here, and every second point that is not hopeless. What is computed there is exact."""
    now, least = float(getattr(setting, parameter)), 4.0 if parameter == "batch_size" else -math.inf
    without = replace(setting, eps=0.0)
    guided = sorted(x for x in points if x >= least)
    found = _search(without, parameter, tolerance, set(guided))
    here = abs(log_rate(without.with_(parameter, max(now, least))))
    worst = math.inf if math.isnan(here) else max(HOPELESS * tolerance, here)
    chosen = {x for x in guided[::2] if abs(log_rate(without.with_(parameter, x))) <= worst} | {now}
    chosen |= {found.best} if found.best is not None else set()
    for span in found.spans:
        for edge, is_open in ((span.low, span.open_low), (span.high, span.open_high)):
            step = CLOSE if parameter == "beta" else CLOSE * edge
            chosen |= {edge} if is_open else {edge - step, edge + step}
    whole = {float(round(x)) for x in chosen} if parameter == "batch_size" else chosen
    return {x for x in whole if guided[0] <= x <= guided[-1]}
