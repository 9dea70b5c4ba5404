"""The answer of ``phasemap advise`` in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phasemap.sweeps.advice.answer import span_of

Record = Mapping[str, Any]


def text(record: Record) -> str:
    """The answer as lines for a person."""
    return "\n".join(_batchnorm(record) if record["arch"] == "bn-mlp" else _residual(record))


def _batchnorm(record: Record) -> list[str]:
    setting, kappa, now, depth = (record[name] for name in ("setting", "kappa", "predicted", "depth"))
    names = ("batch_size", "gamma", "beta", "eps", "sigma_w")
    given = ", ".join(f"{name.replace('_', ' ')} {setting[name]:g}" for name in names)
    interval = "" if kappa["low"] == kappa["high"] else f" ({kappa['low']:.1f} to {kappa['high']:.1f})"
    lines = [
        f"{setting['activation']}, {depth} layers, {given}",
        f"{_gradients(now, record['reason'])}; kappa = {kappa['value']:.3g}{interval}, {kappa['origin']}",
        _verdict(record),
        "",
        f"Each alone, what gives kappa xi >= {depth}" + (f" with kappa = {kappa['low']:.1f}:" if interval else ":"),
    ]
    rows = [
        ["", "now", "values", "choose", "xi", "kappa xi", "margin"],
        *(_row(change, depth) for change in record["advice"]),
    ]
    return [*lines, *_table(rows), *_reasons(record), *_noted(record)]


def _gradients(now: Record, reason: str) -> str:
    if now["regime"] is None:
        return f"no depth scale: {reason}"
    if now["regime"] == "critical":
        return "xi is infinite: gradients neither explode nor vanish"
    signal = now["signal_depth_scale"]
    collapses = "" if signal is None else f"; the signal itself collapses with a depth scale of {signal:.4g}"
    return (
        f"xi = {now['depth_scale']:.4g} layers (gradients {now['regime']}: their squared norm changes by a factor of"
        f" {now['rate']:.4g} a layer towards the input; numerical error of xi {now['error']:.0e}{collapses})"
    )


def _verdict(record: Record) -> str:
    now, depth, verdict = record["predicted"], record["depth"], record["verdict"]
    if verdict is None:
        return "No verdict: the theory has no depth scale here."
    if now["reach"] is None:
        return "Trainable by theory: kappa xi is infinite."
    reach = f"kappa xi = {now['reach']:.1f} layers"
    if verdict == "borderline":
        low, high = now["reach_interval"]
        return f"Borderline by theory: {reach}, {low:.1f} to {high:.1f} with kappa's interval, asked for {depth}."
    return f"{verdict.capitalize()} by theory: {reach}, asked for {depth} (margin {now['margin']:.3g})."


def _reach(found: Record) -> float | None:
    """κ·ξ with the lower end of κ's interval, which is what the advice is judged with; None if infinite."""
    return None if found["reach"] is None else float(found["reach_interval"][0])


def _row(change: Record, depth: int) -> list[str]:
    chosen, now = change["recommended"], change["now"]
    name = change["parameter"].replace("_", " ")
    if chosen is None:
        return [name, f"{now:g}", "none", "-", "-", "-", "-"]
    keep = "as it is" if chosen["value"] == now else f"{chosen['value']:g}"
    numbers = ["inf"] * 3
    if (reach := _reach(chosen)) is not None:
        xi = min(chosen["depth_scale"] or chosen["reach"], chosen["signal_depth_scale"] or float("inf"))
        numbers = [f"{xi:.4g}", f"{reach:.1f}", f"{reach / depth:.3f}"]
    return [name, f"{now:g}", _values(change), keep, *numbers]


def _values(change: Record) -> str:
    """``0.0296 to 0.858``, ``at most 3``; edges rounded to the inside."""
    words = []
    for entry in change["intervals"]:
        span = span_of(entry)
        low, high = (f"{span.nearest(end):g}" for end in (float("-inf"), float("inf")))
        if span.open_low and span.open_high:
            words.append(f"all scanned ({low} to {high})")
        elif span.open_low or span.open_high:
            words.append(f"at most {high}" if span.open_low else f"at least {low}")
        else:
            words.append(f"{low} to {high}")
    return "; ".join(words)


def _reasons(record: Record) -> list[str]:
    """Where nothing helps: how far it goes."""
    lines = []
    for change in record["advice"]:
        if change["recommended"] is not None:
            continue
        name, (low, high) = change["parameter"].replace("_", " "), change["scanned"]
        best = change["best"]
        if best is None:
            lines.append(f"{name}: the theory has no depth scale at any value from {low:g} to {high:g}.")
            continue
        reached = f"kappa xi = {reach:.1f} at {best['value']:g}" if (reach := _reach(best)) else "nothing"
        line = f"{name}: no value from {low:g} to {high:g} is enough; the best is {reached}."
        limit = change.get("limit")
        if limit and (tends_to := _reach(limit)):
            line += f" As the batch grows without bound kappa xi tends to {tends_to:.1f}."
        lines.append(line)
    return ["", *lines] if lines else []


def _residual(record: Record) -> list[str]:
    from phasemap.theory.residual.quantities import QUANTITIES

    setting, now = record["setting"], record["predicted"]
    numbers = (f"{name} {value:g}" for name, value in setting.items() if name[:5] in ("sigma", "beta_"))
    widths = f", widths {setting['widths']}" if setting["widths"] else ""
    lines = [
        f"{setting['activation']} residual network, {record['depth']} blocks{widths}",
        f"{', '.join(numbers)}, p0 {setting['p0']:g}, gamma0 {setting['gamma0']:g}",
        "",
        *_table([[label, _number(now[name])] for name, (label, _) in QUANTITIES.items()]),
        "",
    ]
    for level in record["levels"]:
        low, high = level["interval"]
        interval = "" if low == high else f" ({low:.3g} to {high:.3g})"
        state = {"within": "Within", "borderline": "Borderline at", "beyond": "Beyond"}[level["verdict"]]
        lines.append(
            f"{state} the level: {level['label']} = {_number(now[level['quantity']])}, {level['bound']}"
            f" {level['value']:.3g}{interval}, {level['origin']}."
        )
    if record["verdict"] is None:
        return [*lines, f"No verdict: {record['reason']}.", *_noted(record)]
    quantities = list(dict.fromkeys(level["quantity"] for level in record["levels"]))
    head = ["", "now", "values", "choose", *(QUANTITIES[name][0] for name in quantities)]
    rows = [head, *(_residual_row(change, quantities) for change in record["advice"])]
    return [*lines, "", "Each alone, what keeps the level:", *_table(rows), *_noted(record)]


def _residual_row(change: Record, quantities: Sequence[str]) -> list[str]:
    chosen, now, best = change["recommended"], change["now"], change["best"]
    shown = "-" if now is None else now if isinstance(now, str) else f"{now:g}"
    name = change["parameter"]
    if chosen is None:
        at = best["value"] if best else "-"
        far = [_number(best[each]) if best else "-" for each in quantities]
        return [name, shown, f"none; the best is {at if isinstance(at, str) else format(at, 'g')}", "-", *far]
    value = chosen["value"]
    keep = "as it is" if value == now else value if isinstance(value, str) else f"{value:g}"
    values = f"divide by {_values(change)}" if name == "widths" else _values(change)
    return [name, shown, values, keep, *(_number(chosen[each]) for each in quantities)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _noted(record: Record) -> list[str]:
    return ["", *record["notes"]] if record["notes"] else []


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
