"""The answer for networks with batch normalisation, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phasemap.sweeps.advice.reach import NEAR
from phasemap.sweeps.advice.spans import in_words, noted, table
from phasemap.theory.plural import counted

Record = Mapping[str, Any]


def lines(record: Record) -> list[str]:
    """Setting, prediction and verdict, a table of changes, and why some do not help."""
    setting, kappa, now, depth = (record[name] for name in ("setting", "kappa", "predicted", "depth"))
    names = ("batch_size", "gamma", "beta", "eps", "sigma_w")
    given = ", ".join(f"{name.replace('_', ' ')} {setting[name]:g}" for name in names)
    known = [one for one in record["kappa_by_side"].values() if one["value"] is not None]
    interval = any(one["low"] != one["high"] for one in known)
    found = [
        f"{setting['activation']}, {counted(depth, 'layer')}, {given}",
        f"{_gradients(now, record['reason'])}; κ {_kappa(kappa)}",
        _verdict(record),
        "",
        f"Each alone, what reaches {counted(depth, 'layer')}" + (" with the lower end of κ:" if interval else ":"),
    ]
    rows = [
        ["", "now", "values", "choose", "ξ", "reach", "margin"],
        *(_row(change, depth) for change in record["advice"]),
    ]
    return [*found, *table(rows), *_fragile(record), *_reasons(record), *noted(record)]


def _fragile(record: Record) -> list[str]:
    """What the mark means, where there is one."""
    marked = [change for change in record["advice"] if change["recommended"] and change["recommended"]["fragile"]]
    return ["", f"fragile: {NEAR:.0%} more or less of it, and networks fail or nothing is known."] if marked else []


def _kappa(kappa: Record) -> str:
    if kappa["value"] is None:
        return kappa["origin"]
    interval = "" if kappa["low"] == kappa["high"] else f" ({kappa['low']:.1f} to {kappa['high']:.1f})"
    return f"= {kappa['value']:.3g}{interval}, {kappa['origin']}"


def _gradients(now: Record, reason: str) -> str:
    if now["regime"] is None:
        return f"no depth scale: {reason}"
    if now["regime"] == "critical":
        return (
            "ξ is infinite: gradients neither explode nor vanish, but the spread of the signal still decays, as 1/depth"
        )
    signal = now["signal_depth_scale"]
    collapses = "" if signal is None else f"; the signal itself collapses with a depth scale of {signal:.4g}"
    elsewhere = (
        " where batches go, as equal correlations of all samples are unstable" if now["fixed_point"] == "BSB2" else ""
    )
    return (
        f"ξ = {now['depth_scale']:.4g} layers{elsewhere} (gradients {now['regime']}: their squared norm changes by a"
        f" factor of {now['rate']:.4g} a layer towards the input; numerical error of ξ {now['error']:.0e}{collapses})"
    )


def _verdict(record: Record) -> str:
    now, depth, verdict = record["predicted"], record["depth"], record["verdict"]
    if verdict is None:
        return "No verdict: the theory has no depth scale here."
    if verdict == "not tried":
        return (
            "Not tried: no map has networks like this one that lose their signal. This one would show how deep they"
            f" train, for --map runs/not-tried:\n  {record['try']}"
        )
    if now["limited_by"] == "not tried":
        return f"Not trainable by theory: its gradients alone are too much for {counted(depth, 'layer')}."
    if now["reach"] is None:
        return "Trainable by theory: κ ξ is infinite."
    reach = {
        "kappa xi": f"κ ξ = {now['reach']:.1f} layers",
        "both rates": f"gradients and signal together leave {now['reach']:.1f} layers",
        "critical eps": f"{now['reach']:.1f} layers, which is what the map reached at the critical eps",
    }[now["limited_by"]]
    if verdict == "borderline":
        low, high = now["reach_interval"]
        return f"Borderline by theory: {reach}, {low:.1f} to {high:.1f} with κ's interval, asked for {depth}."
    return f"{verdict.capitalize()} by theory: {reach}, asked for {depth} (margin {now['margin']:.3g})."


def _reach(found: Record) -> float | None:
    """The layers with the lower end of κ's interval, which is what the advice is judged with; None if infinite."""
    return None if found["reach"] is None else float(found["reach_interval"][0])


def _row(change: Record, depth: int) -> list[str]:
    chosen, now = change["recommended"], change["now"]
    name = change["parameter"].replace("_", " ")
    if chosen is None:
        return [name, f"{now:g}", "none", "-", "-", "-", "-"]
    keep = "as it is" if chosen["value"] == now else f"{chosen['value']:g}"
    keep += ", fragile" if chosen["fragile"] else ""
    numbers = ["inf"] * 3
    if (reach := _reach(chosen)) is not None:
        xi = min(chosen["depth_scale"] or chosen["reach"], chosen["signal_depth_scale"] or float("inf"))
        numbers = [f"{xi:.4g}", f"{reach:.1f}", f"{reach / depth:.3f}"]
    return [name, f"{now:g}", in_words(change), keep, *numbers]


def _reasons(record: Record) -> list[str]:
    """Where nothing helps: how far it goes."""
    lines = []
    for change in record["advice"]:
        if change["recommended"] is not None:
            continue
        name, (low, high) = change["parameter"].replace("_", " "), change["scanned"]
        best = change["best"]
        if best is None:
            lines.append(f"{name}: nothing is known at any value from {low:g} to {high:g}.")
            continue
        reached = f"{reach:.1f} layers at {best['value']:g}" if (reach := _reach(best)) else "nothing"
        line = f"{name}: no value from {low:g} to {high:g} is enough; the best reaches {reached}."
        limit = change.get("limit")
        if limit and (tends_to := _reach(limit)):
            line += f" As the batch grows without bound the reach tends to {tends_to:.1f}."
        lines.append(line)
    return ["", *lines] if lines else []
