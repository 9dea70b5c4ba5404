"""The answer for plain networks, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phasemap.sweeps.advice.spans import in_words, noted, table
from phasemap.theory.plural import counted

Record = Mapping[str, Any]
SHOWN = ("sigma_w", "sigma_b", "keep")


def lines(record: Record) -> list[str]:
    """Network, prediction and verdict, and a table of changes."""
    setting, depth = record["setting"], record["depth"]
    given = ", ".join(f"{name.replace('_', ' ')} {setting[name]:g}" for name in SHOWN)
    norm = f", layer normalisation, eps {setting['eps']:g}" if setting["norm"] == "layer" else ""
    rows = [["", "now", "values", "choose", "ξ", "reach"], *(_row(change) for change in record["advice"])]
    found = [
        f"{setting['activation']}, {counted(depth, 'layer')}, {given}{norm}",
        _scale(record),
        _verdict(record),
        "",
        f"Each alone, what reaches {counted(depth, 'layer')}:",
        *table(rows),
    ]
    if any(change["recommended"] and change["recommended"]["fragile"] for change in record["advice"]):
        found += ["", "fragile: 4% more or less of it, and networks fail or nothing is known."]
    return [*found, *noted(record)]


def _scale(record: Record) -> str:
    now = record["predicted"]
    if now["phase"] is None:
        return f"no depth scale: {record['reason']}"
    if now["phase"] == "critical":
        return "ξ is infinite: this is the critical point"
    kappa = record["kappa_by_phase"][now["phase"]]
    interval = "" if kappa["low"] == kappa["high"] else f" ({kappa['low']:.1f} to {kappa['high']:.1f})"
    return (
        f"ξ = {now['depth_scale']:.4g} layers ({now['phase']}: the squared gradient norm changes by a factor of"
        f" {now['rate']:.4g} a layer towards the input); κ = {kappa['value']:.3g}{interval}, {kappa['origin']}"
    )


def _verdict(record: Record) -> str:
    now, verdict = record["predicted"], record["verdict"]
    if verdict is None:
        return "No verdict: the theory has no depth scale here."
    if now["reach"] is None:
        return "Trainable by theory: κ ξ is infinite."
    reach = f"κ ξ = {now['reach']:.1f} layers"
    if verdict == "borderline":
        low, high = now["reach_interval"]
        return f"Borderline by theory: {reach}, {low:.1f} to {high:.1f} with κ's interval, asked for {record['depth']}."
    return f"{verdict.capitalize()} by theory: {reach}, asked for {record['depth']} (margin {now['margin']:.3g})."


def _row(change: Record) -> list[str]:
    chosen, now = change["recommended"], change["now"]
    name = change["parameter"].replace("_", " ")
    if chosen is None:
        return [name, f"{now:g}", "none", "-", "-", "-"]
    keep = "as it is" if chosen["value"] == now else f"{chosen['value']:.4g}"
    keep += ", fragile" if chosen["fragile"] else ""
    if chosen["reach"] is None:
        return [name, f"{now:g}", in_words(change), keep, "inf", "inf"]
    return [
        name,
        f"{now:g}",
        in_words(change),
        keep,
        f"{chosen['depth_scale']:.4g}",
        f"{chosen['reach_interval'][0]:.1f}",
    ]
