"""Maps of residual networks as a trainer would write them, with accuracy and outcome given by the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.theory.activations import activation
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace
from phasemap.train import cells as cells_of
from phasemap.train import parameters
from tests.sweeps.synthetic import content

DEPTHS = [5, 10, 20, 30, 40, 60]
P0, GAMMA0 = 1.0, 0.3
ZIG = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0)
Cell = dict[str, Any]


def residual_contents(
    accuracy: Callable[[Cell], float],
    diverges: Callable[[Cell], bool] = lambda cell: False,
    *,
    values: Sequence[float] = ZIG,
    **changes: Any,
) -> tuple[list[dict[str, Any]], list[Cell]]:
    """(contents of one tile per value of the x axis, all cells). The zig unless ``changes`` say otherwise."""
    given = {
        "experiment": "vv-fig2-zig",
        "architecture": "resnet",
        "activation": "relu",
        "widths": "64",
        "x_axis": "beta_w",
        "beta_b": "@beta_w",
        "depth": DEPTHS,
        "overlay": "s",
        "lr": 1e-4,
        "steps": 600,
        "seed": [0, 1, 2],
        **changes,
    }
    tiles = [parameters.normalise({**given, given["x_axis"]: value}) for value in values]
    contents = []
    for tile in tiles:
        one = content(tile, lambda cell: 0.0, outcome=lambda cell: "diverged" if diverges(cell) else "finished")
        one["data"] |= {"p0": P0, "gamma0": GAMMA0}
        for cell, result in zip(cells_of.cells(tile), one["cells"], strict=True):
            if result["outcome"] == "finished":
                result |= dict.fromkeys(("test_accuracy", "train_accuracy"), accuracy(cell))
            result |= dict.fromkeys(("test_accuracy_batch", "train_accuracy_batch"))
        contents.append(one)
    return contents, [cell for tile in tiles for cell in cells_of.cells(tile)]


def residual_map(*arguments: Any, **options: Any) -> xr.Dataset:
    return phase_map.build(*residual_contents(*arguments, **options))


def trace_of(cell: Cell) -> ResidualTrace:
    """The recurrences of one network, to its own depth."""
    names = [f"{kind}_{which}" for kind in ("sigma", "beta", "depth_scaling") for which in "wbva"]
    return _trace(cell["activation"], cell["depth"], tuple((name, cell[name]) for name in names if name in cell))


@cache
def _trace(name: str, depth: int, given: tuple[tuple[str, float], ...]) -> ResidualTrace:
    return residual_recurrence(activation(name), depth, p0=P0, gamma0=GAMMA0, **dict(given))


def rising(quantity: Callable[[ResidualTrace], float], low: float, high: float, seed: int = 0) -> Callable:
    """Accuracy between 0.2 and 0.9 that rises with a quantity from ``low`` to ``high``, with a little noise."""
    rng = np.random.default_rng(seed)

    def accuracy(cell: Cell) -> float:
        part = (quantity(trace_of(cell)) - low) / (high - low)
        return float(0.2 + 0.7 * np.clip(part, 0, 1) + 0.01 * rng.standard_normal())

    return accuracy
