"""The answer for residual networks, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phasemap.sweeps.advice.spans import in_words, noted, table
from phasemap.theory.plural import counted
from phasemap.theory.residual.quantities import QUANTITIES

Record = Mapping[str, Any]


def lines(record: Record) -> list[str]:
    """Setting, quantities and levels, and a table of changes."""
    setting, now = record["setting"], record["predicted"]
    numbers = (
        f"{name} {value:g}"
        for name, value in setting.items()
        if name[:5] in ("sigma", "beta_") or (name[:5] == "depth" and value)
    )
    widths = f", widths {setting['widths']}" if setting["widths"] else ""
    found = [
        f"{setting['activation']} residual network, {counted(record['depth'], 'block')}{widths}",
        f"{', '.join(numbers)}, p0 {setting['p0']:g}, gamma0 {setting['gamma0']:g}",
        "",
        *table([[label, _number(now[name])] for name, (label, _) in QUANTITIES.items()]),
        "",
    ]
    for level in record["levels"]:
        low, high = level["interval"]
        interval = "" if low == high else f" ({low:.3g} to {high:.3g})"
        state = {"within": "Within", "borderline": "Borderline at", "beyond": "Beyond"}[level["verdict"]]
        found.append(
            f"{state} the level: {level['label']} = {_number(now[level['quantity']])}, {level['bound']}"
            f" {level['value']:.3g}{interval}, {level['origin']}."
        )
    if record["verdict"] is None:
        return [*found, f"No verdict: {record['reason']}.", *noted(record)]
    quantities = list(dict.fromkeys(level["quantity"] for level in record["levels"]))
    head = ["", "now", "values", "choose", *(QUANTITIES[name][0] for name in quantities)]
    rows = [head, *(_row(change, quantities) for change in record["advice"])]
    return [*found, "", "Each alone, what keeps the level:", *table(rows), *noted(record)]


def _row(change: Record, quantities: Sequence[str]) -> list[str]:
    chosen, now, best = change["recommended"], change["now"], change["best"]
    shown = "-" if now is None else now if isinstance(now, str) else f"{now:g}"
    name = change["parameter"]
    if chosen is None:
        at = best["value"] if best else "-"
        far = [_number(best[each]) if best else "-" for each in quantities]
        return [name, shown, f"none; the best is {at if isinstance(at, str) else format(at, 'g')}", "-", *far]
    value = chosen["value"]
    keep = "as it is" if value == now else value if isinstance(value, str) else f"{value:g}"
    values = f"divide by {in_words(change)}" if name == "widths" else in_words(change)
    return [name, shown, values, keep, *(_number(chosen[each]) for each in quantities)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
