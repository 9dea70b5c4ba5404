"""What the theory says of one plain network, as the object that ``phasemap theory mlp --json`` prints."""

from __future__ import annotations

from typing import Any

import numpy as np

from phasemap.theory.activations import Activation, as_activation
from phasemap.theory.errors import InputError
from phasemap.theory.mlp.digits import ROUNDING, digits, moment_error
from phasemap.theory.mlp.fixed_lengths import CRITICAL, Where, all_fixed
from phasemap.theory.mlp.setting import Setting, together
from phasemap.theory.mlp.solution import Solution, solve

NAMES = (
    *("q_star", "length_rate", "c_star", "chi_1", "chi_1_dropout", "chi_c"),
    *("xi_q", "xi_c", "xi_grad"),
)
WHY = {
    Where.INFINITE: "the length q grows without bound",
    Where.ANY: "every q is a fixed point: it stays what the input makes it",
}
RATES = {"xi_q": "length_rate", "xi_c": "chi_c", "xi_grad": "chi_1_dropout"}


def mlp_record(
    activation: Any,
    *,
    sigma_w: float,
    sigma_b: float = 0.0,
    keep: float = 1.0,
    norm: str = "none",
    eps: float = 0.0,
    q0: float = 1.0,
) -> dict[str, Any]:
    """The quantities of ``Solution`` at one point, with every fixed point of the length map.

    What does not exist is None, with its reason in ``reasons``. ``digits`` decimal digits are right in every number; in
    ``c_star`` behind the point.

    Args:
        activation: a name, or an ``Activation``. Others: as ``solve``, one number each.

    Raises:
        InputError: as ``solve``.
    """
    phi = as_activation(activation)
    if together(sigma_w=sigma_w, sigma_b=sigma_b, keep=keep, q0=q0)[0].ndim:
        raise InputError("sigma_w, sigma_b, keep, q0: expected one number each")
    setting = Setting.of(sigma_w, sigma_b, keep, norm, eps)
    scales: dict[str, Any] = {"sigma_w": float(sigma_w), "sigma_b": float(sigma_b), "keep": float(keep)}
    fixed: dict[str, Any] = {"norm": norm, "eps": float(eps)}
    found = solve(phi, **scales, **fixed, q0=q0)
    values = {name: float(getattr(found, name)) for name in NAMES}
    regime = str(found.regime)
    reasons = {name: _reason(name, found) for name, value in values.items() if not np.isfinite(value)}
    if not regime:
        reasons["regime"] = WHY.get(
            Where(int(found.where)), "with dropout c* < 1 at every χ₁, so there is no critical point"
        )
    if setting.eps == 0 and found.where == Where.ZERO:
        reasons = dict.fromkeys(reasons, "layer normalisation with ε = 0 is not defined where every z is 0")
    points = all_fixed(phi, setting)
    return {
        "activation": phi.label,
        **scales,
        **fixed,
        **{name: value if np.isfinite(value) else None for name, value in values.items()},
        "regime": regime or None,
        "fixed_points": [
            {"q": q, "length_rate": rate if np.isfinite(rate) else None, "stability": _stability(rate)}
            for q, rate in points
        ],
        "digits": digits(found, _shifted(phi, setting, found, scales, fixed, q0)),
        "reasons": reasons,
    }


def _shifted(
    phi: Activation, setting: Setting, found: Solution, scales: dict[str, Any], fixed: dict[str, Any], q0: float
) -> Solution:
    """The solution with a weight variance that differs by the error of the expectations."""
    q, delta = float(found.q_star), float(found.distance)
    error = ROUNDING
    if 0 < q < np.inf:
        seen = float(setting.seen(np.array([q]))[0])
        error = moment_error(phi, seen, delta if np.isfinite(delta) else 0.0)
    return solve(phi, **{**scales, "sigma_w": scales["sigma_w"] * (1 + error / 2)}, **fixed, q0=q0)


def _stability(rate: float) -> str:
    if abs(abs(rate) - 1) <= CRITICAL:
        return "half-stable"
    return "stable" if abs(rate) < 1 else "unstable"


def _reason(name: str, found: Solution) -> str:
    where = Where(int(found.where))
    if name in RATES:
        rate = float(getattr(found, RATES[name]))
        if np.isfinite(rate):
            return "the rate is 1, so ξ is infinite"
        return _reason(RATES[name], found)
    if name in ("q_star", "length_rate") or (where == Where.INFINITE and name in ("c_star", "chi_c")):
        return WHY.get(where, "φ is steeper than any line at 0")
    if not np.isfinite(found.chi_1):
        return WHY[where] if where == Where.INFINITE else "E φ′² diverges"
    if float(found.chi_1) == 0:
        return "q is 0 after one layer, so two inputs have no correlation"
    return "φ is linear at these lengths, so a correlation stays what the input makes it"
