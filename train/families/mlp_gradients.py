"""How far the gradients of ordinary deep networks grow or vanish: the theory's transient until it settles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from phasemap.theory.activations import Activation, as_activation
from phasemap.theory.errors import InputError

MOST_LAYERS = 500
"""Layers that are followed one by one, where χ does not settle before: at a critical point."""
SETTLED = 1e-5
"""Of ln χ from layer to layer."""


def log_gradient_ratio(network: Mapping[str, Any]) -> float:
    """ln of the squared gradient by the first pre-activation over that by the last, at initialisation; infinite where
    it is beyond float64, and 0 where the theory says nothing.

    Raises:
        InputError: the activation is a user's, and cannot be had.
    """
    phi = _phi(network["activation"], float(network["slope"]), float(network["alpha"]))
    norm = str(network["norm"])
    eps = float(network["eps"]) if norm == "layer" else 0.0
    rates = _log_rates(phi, *(float(network[name]) for name in ("sigma_w", "sigma_b", "keep")), norm, eps)
    steps = int(network["depth"]) - 1
    return sum(rates[:steps]) + ((steps - len(rates)) * rates[-1] if rates and steps > len(rates) else 0.0)


@lru_cache(maxsize=64)
def _phi(name: str, slope: float, alpha: float) -> Activation:
    return as_activation(name, slope=slope, alpha=alpha)


@lru_cache(maxsize=4096)  # thousands of tiles mostly differ in other things
def _log_rates(
    phi: Activation, sigma_w: float, sigma_b: float, keep: float, norm: str, eps: float
) -> tuple[float, ...]:
    """ln χ₁/ρ of the first layers; those that follow have the last."""
    from phasemap.theory.integrals.length_moments import length_moments
    from phasemap.theory.mlp.setting import Setting

    setting = Setting.of(sigma_w, sigma_b, keep, norm, eps)
    rates: list[float] = []
    length = setting.weight + setting.bias  # the inputs are standardised
    while 0 < length[0] < math.inf and len(rates) < MOST_LAYERS:
        try:
            moments = length_moments(phi, setting.seen(length))
        except InputError:
            break
        rate = _log(math.prod(float(one[0]) for one in (setting.gain, setting.factor(length), moments.slopes)))
        settled = bool(rates) and abs(rate - rates[-1]) <= SETTLED
        rates.append(rate)
        if settled or not math.isfinite(rate):
            break
        length = setting.next_length(moments)
    return tuple(rates)


def _log(factor: float) -> float:
    return -math.inf if factor == 0 else math.log(factor) if factor > 0 else 0.0
