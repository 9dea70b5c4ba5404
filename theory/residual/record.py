"""A residual trace as a strict JSON object, and as a table for a person."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from phasemap.theory.residual.quantities import log_gradient_spread
from phasemap.theory.residual.trace import PARAMETERS, ResidualTrace

GRADIENTS = ("chi", *(f"chi_{name}" for name in PARAMETERS))
PLAIN = ("q", "p", "lambda", "gamma", "e", "c", "s", *GRADIENTS)
LOGARITHMS = tuple(f"log_{name}" for name in ("p", "q", "s", "gamma", "lambda", *GRADIENTS))
SHOWN = ("p", "q", "e", "c", "s", *GRADIENTS)


def record(trace: ResidualTrace) -> dict[str, Any]:
    """Every quantity as a list over l = 0, …, depth, of one network (a trace without grid).

    null stands for what does not exist (q, λ, c and the parameters' χ at l = 0; χ_π where there is no projection; the
    logarithm of 0) and for a number that no float holds, whose logarithm is then in ``log_…``. Anything else that is
    null has its reason in ``notes``.

    ``gradient_spread`` at l is that of the first l blocks (``theory.residual.quantities.log_gradient_spread``).
    """
    rows = {name: _numbers(getattr(trace, "lambda_" if name == "lambda" else name)) for name in PLAIN + LOGARITHMS}
    spread = log_gradient_spread(trace)
    with np.errstate(over="ignore"):
        rows |= {"gradient_spread": _numbers(np.exp(spread)), "log_gradient_spread": _numbers(spread)}
    widths = trace.widths
    return {
        "widths": list(widths.activation) if widths else None,
        "hidden_widths": [None, *widths.hidden] if widths else None,
        "notes": notes(trace),
        **rows,
    }


def notes(trace: ResidualTrace) -> list[str]:
    """Why numbers are null that one would expect to find."""
    found = []
    lost = np.flatnonzero(~np.isfinite(trace.log_p))
    if lost.size:
        found.append(
            f"p exceeds every float at layer {lost[0]} and φ is not of degree 1: null from there on, and all gradients"
        )
    elif np.isinf(log_gradient_spread(trace)[-1]):
        found.append("the gradient by some parameter is 0, so gradient_spread is infinite: null")
    if trace.s_mantissa[0] == 0:
        found.append("s = 0: the two inputs coincide, so log_s is null")
    return found


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def layers_shown(depth: int, most: int = 24) -> list[int]:
    """All layers of a shallow network; of a deep one the first, the last, and some in equal ratios between."""
    if depth < most:
        return list(range(depth + 1))
    spread = np.round(np.geomspace(1, depth, most - 1)).astype(int)
    return sorted({0, *spread.tolist()})


def table(trace: ResidualTrace) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table: one row for each layer shown, columns without any value left out.

    Up to a dozen projection blocks are among the layers shown.
    """
    projections = (np.flatnonzero(trace.projection) + 1).tolist()
    shown = sorted({*layers_shown(trace.depth), *(projections if len(projections) <= 12 else [])})
    columns = {name: getattr(trace, name) for name in SHOWN}
    logs = {name: getattr(trace, f"log_{name}", None) for name in SHOWN}
    columns = {name: values for name, values in columns.items() if not np.all(np.isnan(values))}
    rows = [
        [str(layer), *(_cell(values[layer], logs[name], layer) for name, values in columns.items())] for layer in shown
    ]
    return ["l", *columns], rows


def _cell(value: float, log: np.ndarray | None, layer: int) -> str:
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "overflow" if log is None else f"e^{log[layer]:.1f}"
    return f"{value:.4g}"
