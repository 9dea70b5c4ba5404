"""A probe as a strict JSON object, and in a few sentences."""

from __future__ import annotations

import math
from typing import Any

from phasemap.train.probe.measure import Comparison, Probe
from phasemap.train.probe.rate import LEVEL, Rate

NEAR_CRITICAL = 0.05
"""|ln λ_G| below which a rate is called near critical: the gradient changes by less than a factor e over 20 layers."""


def record(found: Probe) -> dict[str, Any]:
    """Every number of a probe; null where it does not exist.

    ``gradient_explosion_rate`` and ``depth_scale`` are objects ``{value, low, high}`` with the 95 % interval (``high``
    of the depth scale is null where the interval of the rate holds 1). ``log_total_growth`` is of ‖gradient‖² at the
    first point over that at the last. Where the theory knows the network, ``low`` and ``high`` hold an allowance for
    finite width (``finite_width_allowance``, of ln λ_G↓), and ``low_this_width``, ``high_this_width`` do not.
    Logarithms are natural, of norms over the whole batch.
    """
    return {
        **_rate(found.rate),
        "log_total_growth": _number(found.total_growth),
        "steps": [
            {
                "from": above,
                "to": below,
                "log_rate": _number(float(value)),
                "predicted_log_rate": predicted,
            }
            for below, above, value, predicted in zip(
                found.points[:-1], found.points[1:], found.log_growth, predicted_steps(found), strict=True
            )
        ],
        "points": [
            {"name": name, **vars(moments), "log_gradient_norm": _number(float(value))}
            for name, moments, value in zip(found.points, found.moments, found.log_gradient, strict=True)
        ],
        "theory": [_comparison(found, one) for one in found.comparisons],
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "shape": list(layer.shape),
                **vars(layer.moments),
                "log_gradient_norm": _number(layer.log_gradient),
            }
            for layer in found.layers
        ],
        "notes": list(found.notes),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _exp(value: float) -> float | None:
    return _number(math.exp(value)) if value < 709 else None


def _rate(rate: Rate | None) -> dict[str, Any]:
    if rate is None:
        return {"gradient_explosion_rate": None, "depth_scale": None, "regime": None}
    ends, narrow, scales = rate.interval(), rate.interval(0.0), rate.depth_scale_interval()
    low, high = (_exp(end) for end in ends) if ends else (None, None)
    low_narrow, high_narrow = (_exp(end) for end in narrow) if narrow else (None, None)
    return {
        "gradient_explosion_rate": {
            "value": _exp(rate.log_rate),
            "low": low,
            "high": high,
            "low_this_width": low_narrow,
            "high_this_width": high_narrow,
            "finite_width_allowance": rate.allowance,
            "level": LEVEL,
            "steps": rate.steps,
            "degrees_of_freedom": rate.degrees,
        },
        "depth_scale": {
            "value": _number(rate.depth_scale.xi),
            "low": _number(scales[0]) if scales else None,
            "high": _number(scales[1]) if scales else None,
        },
        "regime": rate.regime,
    }


def _comparison(found: Probe, one: Comparison) -> dict[str, Any]:
    stretch = one.stretch
    return {
        "from": found.points[stretch.first],
        "to": found.points[stretch.last + 1],
        "setting": stretch.setting,
        "gradient_explosion_rate": _exp(one.predicted),
        "depth_scale": _number(1 / abs(one.predicted)) if one.predicted else None,
        "mean_square": stretch.mean_square,
        "cosine": stretch.cosine,
        "measured": _rate(one.measured),
        "within": one.within,
    }


def predicted_steps(found: Probe) -> list[float | None]:
    """The predicted ln of the growth of each step, None where the theory has none."""
    values: list[float | None] = [None] * max(len(found.points) - 1, 0)
    for one in found.comparisons:
        values[one.stretch.first : one.stretch.last + 1] = [float(value) for value in one.stretch.log_rates]
    return values


def summary(found: Probe) -> list[str]:
    """The rate, the depth scale and the theory, one line each, then the notes."""
    lines = []
    if found.rate is not None:
        rate = found.rate
        unit = "step" if any("blocks" in note for note in found.notes) else "layer"
        lines.append(f"explosion rate λ_G {math.exp(rate.log_rate):.4g} of ‖gradient‖² per {unit} towards the input")
        near = ", near critical" if abs(rate.log_rate) < NEAR_CRITICAL else ""
        lines[-1] += f"{_ends(rate)}, from {rate.steps} steps; {rate.regime}{near}"
        if math.isfinite(found.total_growth):
            first, last = found.points[0], found.points[-1]
            lines.append(f"‖gradient‖² at {first} is {_power_of_ten(found.total_growth)} times that at {last}")
        scales = rate.depth_scale_interval()
        interval = f" ({LEVEL:.0%}: {_short(scales[0])} to {_short(scales[1])})" if scales else ""
        lines.append(f"depth scale ξ = 1/|ln λ_G| {_short(rate.depth_scale.xi)}{interval} {unit}s")
    for one in found.comparisons:
        verdict = {True: "within the interval", False: "outside the interval", None: "no interval"}[one.within]
        name = f"{found.points[one.stretch.first]} to {found.points[one.stretch.last + 1]}"
        scale = _short(1 / abs(one.predicted)) if one.predicted else "∞"
        lines.append(f"theory, {name}: λ_G {math.exp(one.predicted):.4g}, ξ {scale}: {verdict}")
        if one.measured is not None and (
            len(found.comparisons) > 1 or one.measured.log_rate != getattr(found.rate, "log_rate", None)
        ):
            lines[-1] += f" of the measured {math.exp(one.measured.log_rate):.4g}{_ends(one.measured)}"
        lines.append(f"  {one.stretch.setting}")
    return [*lines, *(f"- {note}" for note in found.notes)]


def _ends(rate: Rate) -> str:
    ends, narrow = rate.interval(), rate.interval(0.0)
    if ends is None or narrow is None:
        return " (too few steps for an interval)"
    text = f"{LEVEL:.0%}: {math.exp(ends[0]):.4g} to {math.exp(ends[1]):.4g}"
    if rate.allowance:
        text += f"; without the allowance for finite width {math.exp(narrow[0]):.4g} to {math.exp(narrow[1]):.4g}"
    return f" ({text})"


def _short(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "∞"


def _power_of_ten(log: float) -> str:
    """e^log in four digits, also beyond the floats."""
    if abs(log) < 600:
        return f"{math.exp(log):.4g}"
    power = math.floor(log / math.log(10))
    return f"{math.exp(log - power * math.log(10)):.3f}e{power:+d}"
