"""What a deep batch-normalised network's layers do to gradient and signal by theory, and which γ, β, ε or B changes it.

Gradients grow or vanish by e over ξ = 1/|ln λ_G↓| layers, and networks train up to κ·ξ layers (Yang et al. 2019, Sec.
4: κ = 16). Above the critical ε the signal collapses (μ* = 0): its spread changes by ε_c/ε a layer. What multiplies a
gradient that is measured against the signal is then λ_G↓·ε/ε_c. Where φ is differentiable at 0 that is 1, and all that
happens is decay; at a kink it is the same number for every ε above ε_c, and the decay comes on top of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from phasemap.theory.batchnorm.fixed_point import critical_eps
from phasemap.theory.batchnorm.infinite_batch import LARGE, limit_record
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous
from phasemap.theory.parameter_search import PRECISION, Found, search

Used = Callable[[Setting], float]
"""Negative where signal or gradients vanish, NaN where nothing is known."""
PARAMETERS = ("gamma", "beta", "eps", "batch_size")
COARSE = 1e-4  # precision of an edge (``phasemap.theory.parameter_search.search``) where every value is costly
HOPELESS = 4.0
"""A point of a costly scan is left out where at ε = 0 so many times too much is used, and more than here."""
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
        fixed_point: where networks are, ``BSB1``, or ``BSB2`` where BSB1 repels.
    """

    rate: float | None
    xi: float | None
    error: float
    regime: str | None
    signal_xi: float | None
    reason: str
    fixed_point: str | None = None


@dataclass(frozen=True)
class Rates:
    """What one layer does, as natural logarithms of factors.

    Attributes:
        gradient: ln λ_G↓, of the squared gradient towards the input.
        signal: of the spread μ of the samples towards the output, ln(ε_c/ε) where it collapses; 0 at a fixed point.
    """

    gradient: float
    signal: float

    @property
    def explosion(self) -> float:
        """Growth of the squared gradient relative to the signal's spread, at least 0."""
        return max(0.0, self.gradient - self.signal)

    @property
    def decay(self) -> float:
        """Loss of signal or of gradient, the larger of the two, at least 0."""
        return max(0.0, -self.signal, -self.gradient)


@lru_cache(maxsize=4096)
def _record(setting: Setting, look_beyond: bool) -> dict[str, Any]:
    if math.isinf(setting.batch_size):
        return limit_record(setting.phi, eps=setting.eps, sigma_w=setting.sigma_w)
    b, eps, sigma_w = int(setting.batch_size), setting.eps, setting.sigma_w
    return batchnorm_record(setting.phi, b, eps=eps, sigma_w=sigma_w, look_beyond=look_beyond)


def predict(setting: Setting) -> Predicted:
    """ξ with its error and regime, at BSB2 where BSB1 repels; None with the reason where there is none (φ constant, …).

    Raises:
        InputError: the setting itself is no network (batch size 2, negative ε, unknown activation).
    """
    record = _record(setting, False)
    if record["stable"] is False:
        record = _record(setting, True)
    rate, regime, xi = record["rate"], record["regime"], record["depth_scale"]
    if rate is None or regime is None:
        reasons = record["reasons"]
        return Predicted(rate, None, 0.0, None, None, reasons.get("regime") or reasons.get("backward.G", ""))
    collapse = -_log_shrinking(setting) if record["mu_star"] == 0 else None
    signal = None if collapse is None else 1 / collapse if collapse > 0 else math.inf
    xi = math.inf if regime == "critical" else xi or 0.0
    return Predicted(rate, xi, record["depth_scale_error"] or 0.0, regime, signal, "", record["fixed_point"])


def rates(setting: Setting, *, look_beyond: bool = False) -> Rates | None:
    """What one layer does to gradient and signal; None where there is no rate.

    Args:
        look_beyond: whether to look for the fixed point where BSB1 repels (seconds); else there is no rate.
    """
    try:
        record = _record(setting, look_beyond)
    except InputError:  # the limit has no collapse at a kink
        return None
    rate = record["rate"]
    if rate is None or record["regime"] is None:
        return None
    shrinking = _log_shrinking(setting) if record["mu_star"] == 0 else 0.0
    return Rates(math.log(rate) if rate > 0 else -math.inf, shrinking)


def signal_left(setting: Setting) -> float:
    """The spread μ*/σ_w² of the samples that the read-out sees, over what it would be with γ = 1 and ε = 0; NaN where
    either does not exist.

    The neural tangent kernel is proportional to it, and so is the speed at which plain SGD begins to learn.
    """
    here, whole = (_spread(one) for one in (setting, replace(setting, gamma=1.0, eps=0.0)))
    return here / whole if whole > 0 else math.nan


def _spread(setting: Setting) -> float:
    try:
        mu = _record(setting, False)["mu_star"]
    except InputError:
        return math.nan
    return math.nan if mu is None else float(mu) / setting.sigma_w**2


def critical(setting: Setting) -> float:
    """The ε above which the signal collapses, whatever its own."""
    return critical_eps(setting.phi, int(min(setting.batch_size, LARGE)), setting.sigma_w)


def _log_shrinking(setting: Setting) -> float:
    """ln(ε_c/ε): what happens to the spread μ of a signal that collapses, a layer."""
    at = critical(setting)
    return min(0.0, math.log(at / setting.eps)) if at > 0 else -math.inf


def advise(setting: Setting, parameter: str, used: Used) -> Found:
    """Values of one parameter, the others as they are, at which −1 ≤ used ≤ 1.

    Args:
        parameter: one of ``PARAMETERS``; the answer holds the range that was scanned.
        used: share of what a network bears that a setting uses up at the depth asked for.
    """
    now = float(getattr(setting, parameter))
    points = _range(setting, parameter)
    if math.isfinite(now) and (now > 0 or parameter == "beta"):
        points.add(now)
    if _costly(setting, parameter):
        return _search(setting, parameter, used, _thinned(setting, parameter, used, points), COARSE)
    return _search(setting, parameter, used, points)


def _search(setting: Setting, parameter: str, used: Used, points: set[float], precision: float = PRECISION) -> Found:
    return search(
        lambda value: used(setting.with_(parameter, value)),
        sorted(points),
        -1.0,
        1.0,
        logarithmic=parameter != "beta",
        integer=parameter == "batch_size",
        precision=precision,
    )


def _range(setting: Setting, parameter: str) -> set[float]:
    """Where a scan looks."""
    if parameter == "gamma":
        return set(np.geomspace(2.0**-6, 2.0**3, 19).tolist())
    if parameter == "beta":
        return set(np.linspace(-4.0, 4.0, 17).tolist())
    if parameter == "batch_size":
        return {4.0 if setting.eps == 0 else 3.0, *(2.0**k for k in range(2, 17))}
    usual = at if 0 < (at := critical(setting)) < math.inf else 1.0
    around = (usual * factor for factor in (0.9, 0.99, 0.999, 1.0, 1.001, 1.01, 1.1))
    return {*np.geomspace(1e-6, max(10 * usual, 1e-5), 22).tolist(), *around}


def _costly(setting: Setting, parameter: str) -> bool:
    """Whether each value needs a new table of moments of a kinked φ: 0.05 to 2 s, against milliseconds at ε = 0."""
    kinked = bool(setting.phi.kinks) and (parameter == "beta" or homogeneous(setting.phi) is None)
    return kinked and setting.eps > 0 and parameter != "eps"


def _thinned(setting: Setting, parameter: str, used: Used, points: set[float]) -> set[float]:
    """Points for the costly theory, chosen by that of ε = 0, which small ε is close to: next to its edges, at its ends
    and its best, here, and every second point that is not hopeless. What is computed there is exact."""
    now, least = float(getattr(setting, parameter)), 4.0 if parameter == "batch_size" else -math.inf
    without = replace(setting, eps=0.0)
    guided = sorted(x for x in points if x >= least)
    found = _search(without, parameter, used, set(guided))
    here = abs(used(without.with_(parameter, max(now, least))))
    worst = math.inf if math.isnan(here) else max(HOPELESS, here)
    chosen = {x for x in guided[::2] if abs(used(without.with_(parameter, x))) <= worst} | {now}
    chosen |= {found.best} if found.best is not None else set()
    for span in found.spans:
        for edge, is_open in ((span.low, span.open_low), (span.high, span.open_high)):
            step = CLOSE if parameter == "beta" else CLOSE * edge
            chosen |= {edge} if is_open else {edge - step, edge + step}
    whole = {float(round(x)) for x in chosen} if parameter == "batch_size" else chosen
    return {x for x in whole if guided[0] <= x <= guided[-1]}
