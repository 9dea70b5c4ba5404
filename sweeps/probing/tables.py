"""The tables of a probe: its layers, and the steps of the explosion rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from phasemap.train.probe.measure import Layer, Probe
from phasemap.train.probe.report import predicted_steps

MOST_ROWS = 30
"""Rows of a table; of a deeper network some layers are shown, and JSON has all."""
HINT = "layers with weights; --all-layers shows every kind"


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes:
        title: what it shows, and of how many rows. header: column by column. cells: row by row.
    """

    title: str
    header: list[str]
    cells: list[list[str]]


def layer_table(found: Probe, *, every: bool = False) -> Rows:
    """A row for each layer with weights, or with ``every`` for each layer of any kind; at most MOST_ROWS.

    The outputs of different kinds (pre-activations, normalised, activations) are not of one size: side by side their
    differences would look like a change over depth. A network without weights has all its layers shown.
    """
    chosen = [i for i, layer in enumerate(found.layers) if every or layer.weights] or [*range(len(found.layers))]
    header = ["", "layer", "kind", "mean", "mean square", "variance", "cosine", "ln ‖gradient‖"]
    rows = [_layer_row(chosen[i], found.layers[chosen[i]]) for i in shown(len(chosen))]
    hint = f" ({HINT})" if len(chosen) < len(found.layers) else ""
    return Rows(f"Activations and gradients{hint}{_some(rows, len(chosen))}", header, rows)


def step_table(found: Probe) -> Rows:
    """A row for each step of the rate, from the input; at most MOST_ROWS."""
    header = ["", "from", "down to", "growth of ‖gradient‖²", "theory"]
    growth, predicted = found.log_growth, predicted_steps(found)
    rows = []
    for i in shown(len(growth)):
        theory = predicted[i]
        rows.append(
            [
                str(i + 1),
                found.points[i + 1],
                found.points[i],
                _cell(math.exp(min(growth[i], 700.0))),
                "–" if theory is None else _cell(math.exp(theory)),
            ]
        )
    return Rows(f"Steps of the explosion rate{_some(rows, len(growth))}", header, rows)


def shown(count: int) -> list[int]:
    """All of a few; of many, MOST_ROWS spread evenly, with both ends."""
    if count <= MOST_ROWS:
        return list(range(count))
    return sorted(set(np.round(np.linspace(0, count - 1, MOST_ROWS)).astype(int).tolist()))


def _some(rows: list[list[str]], count: int) -> str:
    return "" if len(rows) == count else f" ({len(rows)} of {count} shown; --json has all)"


def _layer_row(number: int, layer: Layer) -> list[str]:
    m = layer.moments
    numbers = [m.mean, m.mean_square, m.variance, m.cosine, layer.log_gradient]
    return [str(number + 1), layer.name, layer.kind, *("–" if n is None else _cell(n) for n in numbers)]


def _cell(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "–"
