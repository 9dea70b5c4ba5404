"""ReLU residual networks whose variances are scaled by their own depth: what is left as the depth L → ∞.

The laws of C.9 and C.11 are about layers l of one network, and hold with σ·L^(−δ/2) for σ. Here l = L grows with the
network. With D = δ_v + δ_w, V_r = β_v + β_w, W_r = σ_v²σ_w²/2 the recurrence of Thm C.2 is

    p = p̲·(1 + W_r·L^(−D)·l^(−V_r)) + ½σ_v²σ_b²·L^(−δ_v−δ_b)·l^(−β_v−β_b) + σ_a²·L^(−δ_a)·l^(−β_a),

so δ and β add up: a sum over l ≤ L of L^(−δ)·l^(−β) is of order L^(1−δ−β) for β < 1. Above δ + β = 1 it vanishes,
below it grows without bound, and at δ + β = 1 it is a Riemann sum over t = l/L, which makes p the solution of

    dp/dt = W_r·t^(−V_r)·p + C·t^(−α),     χ^(0)/χ^(L) → E(0),   E(t) = exp(W_r·(1 − t^(1−V_r))/(1 − V_r)).

So σ_v² ∝ 1/L alone leaves E(0) = exp(W_r), where a decay β_v = 1 leaves a power of l. Own derivation, not in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import integrate

from phasemap.theory.errors import InputError
from phasemap.theory.residual.growth_laws.decay import Decay
from phasemap.theory.residual.growth_laws.law import tidy
from phasemap.theory.residual.growth_laws.relu import w_r


@dataclass(frozen=True)
class DepthLimit:
    """Limits as the depth L → ∞, infinite where there is none: of p^(L), and of χ^(0)/χ^(L)."""

    p: float
    chi: float


@dataclass(frozen=True)
class _Term:
    """What a layer adds, size·L^(−delta)·l^(−beta)."""

    size: float
    beta: float
    delta: float

    @property
    def limit(self) -> float:
        """The size that is left in t = l/L: infinite, ``size`` or 0."""
        order = tidy(1 - self.beta - self.delta)
        return 0.0 if self.size == 0 or order < 0 else math.inf if order > 0 else self.size


def relu_depth_limit(decay: Decay, depth_scaling: Mapping[str, float], p0: float = 1.0) -> DepthLimit:
    """p^(L) and χ^(0)/χ^(L) of ReLU networks of depth L → ∞ whose variances are σ²·l^(−β)·L^(−δ).

    Args:
        decay: σ and β. depth_scaling: δ of ``w``, ``b``, ``v``, ``a``; 0 where it is not named. p0: ⟨x²⟩ of layer 0.

    Raises:
        InputError: a sum of β that is 1 or more, where the first layers decide and not the depth.
    """
    delta = {name: depth_scaling.get(name, 0.0) for name in "wbva"}
    multiplied = _Term(w_r(decay), decay.beta_v + decay.beta_w, delta["v"] + delta["w"])
    added = [
        _Term((decay.sigma_v * decay.sigma_b) ** 2 / 2, decay.beta_v + decay.beta_b, delta["v"] + delta["b"]),
        _Term(decay.sigma_a**2, decay.beta_a, delta["a"]),
    ]
    if any(term.size and term.beta >= 1 for term in (multiplied, *added)):
        raise InputError("beta_v + beta_w, beta_v + beta_b, beta_a: expected less than 1, for the depth to decide")
    rate, power = multiplied.limit, 1 - multiplied.beta

    def growth(t: float) -> float:
        return math.exp(rate * (1 - t**power) / power)

    if math.isinf(rate):
        return DepthLimit(math.inf, math.inf)
    p = p0 * growth(0.0)
    for term in added:
        if term.limit:  # ∫ C·t^(−α)·E(t) dt, with u = t^(1−α)
            share = 1 / (1 - term.beta)
            p += term.limit * share * float(integrate.quad(lambda u, s=share: growth(u**s), 0, 1)[0])
    return DepthLimit(p, growth(0.0))
