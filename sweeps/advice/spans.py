"""Numbers and intervals of an answer, as JSON holds them and as words say them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from phasemap.sweeps.advice.adviser import Record
from phasemap.theory.parameter_search import Found, Span


def finite(value: float | None) -> float | None:
    """The number, or null for what is infinite or does not exist."""
    return value if value is not None and math.isfinite(value) else None


def spans(found: Found, *, whole: bool = False) -> Record:
    """What a scan found; ``whole`` for a parameter that counts."""
    number = int if whole else float
    return {
        "scanned": [number(found.low), number(found.high)],
        "monotone": found.monotone,
        "intervals": [
            {
                "low": number(span.low),
                "high": number(span.high),
                "open_low": span.open_low,
                "open_high": span.open_high,
            }
            for span in found.spans
        ],
    }


def in_words(change: Mapping[str, Any]) -> str:
    """The intervals of one parameter: ``0.0296 to 0.858``, ``at most 3``; edges rounded to the inside."""
    words = []
    for entry in change["intervals"]:
        span = Span(float(entry["low"]), float(entry["high"]), entry["open_low"], entry["open_high"])
        low, high = (f"{span.nearest(end):g}" for end in (float("-inf"), float("inf")))
        if span.open_low and span.open_high:
            words.append(f"all scanned ({low} to {high})")
        elif span.open_low or span.open_high:
            words.append(f"at most {high}" if span.open_low else f"at least {low}")
        else:
            words.append(f"{low} to {high}")
    return "; ".join(words)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, their columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def noted(record: Mapping[str, Any]) -> list[str]:
    """The notes of an answer, after an empty line."""
    return ["", *record["notes"]] if record["notes"] else []
