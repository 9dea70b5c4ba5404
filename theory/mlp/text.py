"""Records of plain networks as a table for a person."""

from __future__ import annotations

from typing import Any

from phasemap.theory.residual.record import layers_shown

ROWS = {
    "σ_w": "sigma_w",
    "q*": "q_star",
    "c*": "c_star",
    "length rate dq'/dq": "length_rate",
    "χ₁": "chi_1",
    "χ₁/ρ, gradient a layer": "chi_1_dropout",
    "χ at c*": "chi_c",
    "ξ_q": "xi_q",
    "ξ_c": "xi_c",
    "ξ of the gradient": "xi_grad",
    "regime": "regime",
    "digits": "digits",
}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def as_text(records: list[dict[str, Any]]) -> str:
    """Quantities down, values of σ_w across; below, why a quantity is missing, and the layers if a record has them."""
    first = records[0]
    title = f"{first['activation']}, sigma_b {first['sigma_b']:g}, keep {first['keep']:g}, norm {first['norm']}"
    title += f", eps {first['eps']:g}" if first["norm"] == "layer" else ""
    rows = [[row, *(_cell(record[name]) for record in records)] for row, name in ROWS.items()]
    told: dict[str, list[str]] = {}
    for name, why in (entry for record in records for entry in record["reasons"].items()):
        told.setdefault(why, []).append(name)
    notes = [f"- {', '.join(dict.fromkeys(names))}: {why}" for why, names in told.items()]
    return "\n".join([title, "", *_aligned(rows), *(["", *notes] if notes else []), *_layers(first)])


def _layers(record: dict[str, Any]) -> list[str]:
    """What it has of single layers: of a deep network some."""
    lists = record.get("layers")
    if not lists:
        return []
    rows = [
        [str(layer), *(_cell(values[layer]) for values in lists.values())]
        for layer in layers_shown(len(lists["q"]) - 1)
    ]
    return ["", *_aligned([["l", *lists], *rows])]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
