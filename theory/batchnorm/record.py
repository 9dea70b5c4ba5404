"""Mean field theory of deep batch-normalised networks: the depth scale ξ and everything known at the BSB1 fixed point.

A network of layers h ↦ W·φ(BN(h)) + b, W ~ N(0, σ_w²/fan_in), b ~ N(0, σ_b²), BN with the biased batch variance plus ε.
γ and β of BN belong to the activation: φ(γ·z + β). Source: Yang et al. 2019; ε > 0 is derived in docs/epsilon.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phasemap.theory.activations import Activation, value_at_zero
from phasemap.theory.arguments.arrays import takes_arrays
from phasemap.theory.batchnorm import closed_forms as laplace
from phasemap.theory.batchnorm.attracting import attracting
from phasemap.theory.batchnorm.eigenvalues import backward, cross_batch_rate, forward
from phasemap.theory.batchnorm.fixed_point import FixedPoint, collapsed_rate, critical_eps, fixed_point, slopes_at_zero
from phasemap.theory.batchnorm.gradient_explosion import ROUNDING, check_batch_size, check_scales
from phasemap.theory.batchnorm.moments.table import METHODS, choose_method
from phasemap.theory.batchnorm.whole_batch.covariance import Layer
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import Homogeneous, homogeneous

NOTHING = 1e-13  # an eigenvalue or covariance below this share of its scale, and unresolved, is reported as 0
CHOICES = ("auto", *METHODS)


@takes_arrays
def batchnorm_record(
    activation: Activation,
    batch_size: int,
    *,
    eps: float = 0.0,
    sigma_w: float = 1.0,
    sigma_b: float = 0.0,
    method: str = "auto",
    look_beyond: bool = False,
) -> dict[str, Any]:
    """Every quantity of the theory at one batch size, ready for strict JSON; of arrays, which broadcast, a list.

    Keys: activation, batch_size, eps, sigma_w, sigma_b, q_star, c_star, mu_star, forward {G, L, M}, backward
    {G, L, M}, cross_batch {c_star, rate}, stable, governs, fixed_point, broken_symmetry, rate, depth_scale,
    depth_scale_error, regime, critical_eps, method, digits, reasons. q_star·c_star is the covariance of two samples of
    a batch; cross_batch.c_star the covariance (not correlation) of two samples in different batches. What does not
    exist is None and ``reasons`` says why, by key.

    All eigenvalues are those at BSB1. ``rate`` (of the squared gradient, towards the input), ``depth_scale`` and
    ``regime`` are those at the fixed point where networks are, ``fixed_point``: BSB1 where it attracts, else BSB2, with
    what is known of it in ``broken_symmetry`` (``whole_batch.settled_batches``: rate, error, low, high, main_blocks).

    Every number at BSB1 is right to ``digits`` decimal digits: its error, estimated from a coarser computation, is
    below 10^−digits relative. ``depth_scale_error`` is absolute; at BSB2 it is the standard error over several batches.

    Args:
        activation: a name, or φ with γ and β of BN bound.
        method: ``auto``, ``laplace`` (homogeneous φ), ``gegenbauer`` or ``spherical``.
        look_beyond: whether to look for the fixed point where BSB1 repels, which takes seconds; else there is no rate
            then, and ``reasons`` says why.

    Raises:
        InputError: batch size 1 or 2, a negative ε, an unknown or unfitting method.
    """
    check_batch_size(batch_size)
    check_scales(eps, sigma_w, sigma_b)
    phi = homogeneous(activation)
    if method not in CHOICES:
        raise InputError(f"--method {method}: expected one of {', '.join(CHOICES)}")
    if method == "laplace" and phi is None:
        raise InputError(f"--method laplace: {activation.label} is not positive-homogeneous of a degree above 0")
    if phi is not None and phi.a == phi.b == 0:
        phi = None
    closed = phi is not None and eps == 0 and method in ("auto", "laplace")
    used = "laplace" if closed else choose_method(activation, batch_size) if method == "auto" else method
    if phi is not None and closed:
        values, errors, reasons = _closed(phi, batch_size, sigma_w)
    else:
        values, errors, reasons = _numerical(activation, batch_size, eps, sigma_w, used)
    return _record(activation, batch_size, eps, sigma_w, sigma_b, used, values, errors, reasons, look_beyond)


Numbers = dict[str, "float | None"]


def _closed(phi: Homogeneous, batch_size: int, sigma_w: float) -> tuple[Numbers, Numbers, dict[str, str]]:
    b = np.array([float(batch_size)])
    q, qc = (float(v[0]) for v in laplace.fixed_point(phi, b))
    forward_l, forward_m = (float(v[0]) for v in laplace.forward(phi, b))
    entry, rate = (float(v[0]) for v in laplace.cross_batch(phi, b))
    values: Numbers = {"q": sigma_w**2 * q, "qc": sigma_w**2 * qc, "mu": sigma_w**2 * (q - qc)}
    values |= {"forward.G": 0.0, "forward.L": forward_l} | ({"forward.M": forward_m} if batch_size > 3 else {})
    values |= {"cross_batch.c_star": sigma_w**2 * entry, "cross_batch.rate": rate}
    if batch_size >= 4 and phi.alpha > 0.5:
        backward_all = (float(v[0]) for v in laplace.backward(phi, b))
        values |= dict(zip(("backward.G", "backward.L", "backward.M"), backward_all, strict=True))
    reasons = _no_backward(batch_size, 0.0, phi.alpha)
    errors: Numbers = {key: ROUNDING * abs(value or 0.0) for key, value in values.items()}
    if phi.is_linear and "backward.G" in values:
        errors["backward.G"] = 4e-16
    return values, errors, reasons


def _no_backward(batch_size: int, eps: float, degree: float | None) -> dict[str, str]:
    """Reasons for missing backward eigenvalues, by key."""
    reason = ""
    if batch_size == 3 and eps == 0:
        reason = "E 1/ρ² diverges at batch size 3 with eps 0"
    elif degree is not None and degree <= 0.5:
        reason = "E φ′² diverges for degree at most 1/2"
    return {f"backward.{key}": reason for key in "GLM"} if reason else {}


def _numerical(
    activation: Activation, batch_size: int, eps: float, sigma_w: float, method: str
) -> tuple[Numbers, Numbers, dict[str, str]]:
    fine, coarse = fixed_point(activation, batch_size, eps, sigma_w, method)
    if fine.mu == 0:
        return _collapsed(activation, batch_size, eps, sigma_w)
    values, rough = (_values(activation, batch_size, sigma_w, point) for point in (fine, coarse))
    errors: Numbers = {}
    for key, value in values.items():
        assert value is not None
        other = rough.get(key)
        error = 2 * abs(value - (value if other is None else other)) + ROUNDING * abs(value)
        errors[key] = error
        size = 1.0 if key not in ("cross_batch.c_star", "qc") else values["q"] or 1.0
        if abs(value) < error + 1e-25 * size < NOTHING * size:  # nothing but rounding: e.g. (E φ′)² of sin(30z)
            values[key] = errors[key] = 0.0
    return values, errors, _no_backward(batch_size, eps, activation.degree)


def _values(activation: Activation, batch_size: int, sigma_w: float, point: FixedPoint) -> Numbers:
    moments, weights = point.moments, point.weights
    if moments is None or weights is None:
        return {}
    zero, one = value_at_zero(activation), moments.average(weights.one)
    mean, square, product = float(one.f[0]), float(one.ff[0]), float(one.f00[0])
    mean = mean if abs(mean) > 1e-15 * np.sqrt(square) else 0.0  # odd φ: exactly 0
    f = forward(moments, weights, batch_size, point.mu, sigma_w)
    values: Numbers = {
        "q": sigma_w**2 * (square + 2 * zero * mean + zero**2),
        "qc": sigma_w**2 * (product + 2 * zero * mean + zero**2),
        "mu": point.mu,
        "forward.G": f.G,
        "forward.L": f.L,
        "cross_batch.c_star": sigma_w**2 * (mean + zero) ** 2,
        "cross_batch.rate": cross_batch_rate(moments, weights, batch_size, point.mu, sigma_w),
    }
    if batch_size > 3:
        values["forward.M"] = f.M
    if np.all(np.isfinite(weights.inverse)) and not (activation.degree is not None and activation.degree <= 0.5):
        b = backward(moments, weights, batch_size, sigma_w)
        values |= {"backward.G": b.G, "backward.L": b.L}
        if batch_size > 3:
            values["backward.M"] = b.M
    return values


def _collapsed(
    activation: Activation, batch_size: int, eps: float, sigma_w: float
) -> tuple[Numbers, Numbers, dict[str, str]]:
    """μ* = 0: every sample of a batch, and of all batches, has the same value φ(0)."""
    if eps == 0:
        reason = "φ is constant on the values that BN can produce, so all samples become equal and BN is not defined"
        keys = [f"{side}.{key}" for side in ("forward", "backward") for key in "GLM"]
        names = ["q_star", "c_star", "mu_star", "cross_batch.c_star", "cross_batch.rate", *keys]
        return {}, {}, dict.fromkeys(names, reason)
    right, left = slopes_at_zero(activation)
    rate = collapsed_rate(activation, batch_size, eps, sigma_w)
    common = sigma_w**2 * value_at_zero(activation) ** 2
    values: Numbers = {"q": common, "qc": common, "mu": 0.0, "cross_batch.c_star": common}
    reasons: dict[str, str] = {}
    if np.isfinite(rate):
        values["backward.G"] = rate
    if right == left and np.isfinite(rate):  # BN is then linear: every eigenvalue is σ_w²φ′(0)²/ε
        keys = ["forward.G", "forward.L", "backward.L", "cross_batch.rate"]
        keys += ["forward.M", "backward.M"] if batch_size > 3 else []
        values |= dict.fromkeys(keys, rate)
    else:
        for key in ("forward.G", "forward.L", "forward.M", "backward.L", "backward.M", "cross_batch.rate"):
            reasons[key] = "the signal collapses (mu_star = 0) where φ has a kink, so the map has no derivative"
    return values, {key: ROUNDING * abs(value or 0.0) for key, value in values.items()}, reasons


def _record(
    activation: Activation,
    batch_size: int,
    eps: float,
    sigma_w: float,
    sigma_b: float,
    method: str,
    values: Numbers,
    errors: Numbers,
    reasons: dict[str, str],
    look_beyond: bool,
) -> dict[str, Any]:
    """The JSON contract from the numbers; adds σ_b, ξ, stability and the digits."""
    if batch_size == 3:
        for side in ("forward", "backward"):
            reasons.setdefault(f"{side}.M", "the eigenspace M is empty at batch size 3")
    q, qc, entry = values.get("q"), values.get("qc"), values.get("cross_batch.c_star")
    q_star = None if q is None else q + sigma_b**2
    c_star = None if qc is None or not q_star else (qc + sigma_b**2) / q_star
    if c_star is None:
        reasons.setdefault("c_star", "q_star is 0")
    forward_values = {key[-1]: value for key, value in values.items() if key.startswith("forward.")}
    found = attracting(
        forward_values,
        values.get("backward.G"),
        errors.get("backward.G") or 0.0,
        Layer(activation, eps, sigma_w) if look_beyond else None,
        batch_size,
    )
    scale = found.scale
    xi = scale.xi if scale is not None and np.isfinite(scale.xi) else None
    if scale is None:
        why = found.reason or reasons.get("backward.G", "")
        reasons |= dict.fromkeys(("rate", "depth_scale", "regime"), why)
        reasons |= {} if found.fixed_point else {"fixed_point": why}
    elif xi is None:
        reasons["depth_scale"] = "the rate is 1 within its error, so ξ is infinite"
    if found.stable is None:
        reasons["stable"] = reasons.get("forward.L", "") or "a forward eigenvalue does not exist"
    critical = critical_eps(activation, batch_size, sigma_w)
    if not np.isfinite(critical):
        reasons["critical_eps"] = "φ is steeper than linear at 0, so the signal never collapses"
    spectrum = {side: {key: values.get(f"{side}.{key}") for key in "GLM"} for side in ("forward", "backward")}
    relative = [abs((errors[key] or 0.0) / value) for key, value in values.items() if value]
    if xi and scale is not None and found.broken is None:
        relative.append(scale.error / xi)
    return {
        "activation": activation.label,
        "batch_size": batch_size,
        "eps": eps,
        "sigma_w": sigma_w,
        "sigma_b": sigma_b,
        "q_star": q_star,
        "c_star": c_star,
        "mu_star": values.get("mu"),
        **spectrum,
        "cross_batch": {
            "c_star": None if entry is None else entry + sigma_b**2,
            "rate": values.get("cross_batch.rate"),
        },
        "stable": found.stable,
        "governs": found.governs,
        "fixed_point": found.fixed_point,
        "broken_symmetry": found.broken and found.broken.as_record(),
        "rate": None if scale is None or not np.isfinite(scale.rate) else scale.rate,
        "depth_scale": xi,
        "depth_scale_error": None if xi is None or scale is None else scale.error,
        "regime": None if scale is None else scale.regime,
        "critical_eps": critical if np.isfinite(critical) else None,
        "method": method,
        "digits": _digits(relative),
        "reasons": reasons,
    }


def _digits(relative: list[float]) -> int | None:
    """Decimal digits that are right in every number."""
    if not relative:
        return None
    return max(0, int(np.floor(-np.log10(max(*relative, 1e-16)))))
