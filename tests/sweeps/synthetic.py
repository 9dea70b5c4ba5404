"""Results as a trainer would write them, with a frontier known beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.overlays.map_theory import MapTheory
from phasemap.sweeps.overlays.prediction import Prediction
from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.train import cells as cells_of
from phasemap.train import parameters

CHANCE = 0.1

Outcome = Callable[[dict[str, Any]], str]


def tile_parameters(**changes: Any) -> dict[str, Any]:
    raw = {
        "depth": [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60],
        "batch_size": 64,
        "lr": 0.01,
        "steps": 600,
        "seed": [0, 1, 2],
        "experiment": "bn-fig3a",
        "x_scale": "log",
        **changes,
    }
    return parameters.normalise(raw)


def accuracy(depth: float, frontier: float, *, best: float = 0.9, width: float = 4.0) -> float:
    """Falls from ``best`` to chance, halfway at ``frontier``."""
    return CHANCE + (best - CHANCE) / (1 + math.exp((depth - frontier) / width))


def content(
    tile: dict[str, Any],
    frontier: Callable[[dict[str, Any]], float],
    *,
    noise: float = 0.0,
    outcome: Outcome = lambda cell: "finished",
    rng: np.random.Generator | None = None,
) -> dict[str, Any]:
    rng = rng or np.random.default_rng(0)
    cells = []
    for cell in cells_of.cells(tile):
        how = outcome(cell)
        value = accuracy(cell["depth"], frontier(cell)) + noise * float(rng.standard_normal())
        value = min(1.0, max(0.0, value)) if how == "finished" else (CHANCE if how == "dead" else None)
        loss = None if how == "diverged" else 0.1 + 2.2 * (1 - (value or 0.0))
        batch = None if value is None else max(0.0, value - 0.05)
        cells.append(
            {
                "parameters": cells_of.identity(cell),
                "seed": cell["seed"],
                "outcome": how,
                "diverged_at": 37 if how == "diverged" else None,
                "test_accuracy": value,
                "test_accuracy_batch": batch,
                "train_accuracy": value,
                "train_accuracy_batch": batch,
                "test_loss": loss,
                "train_loss": loss,
                "sum_lr": 6.0,
                "steps": 600,
                "history": {"step": [0, 300, 600], "loss": [2.3, 1.5, loss]},
            }
        )
    return {
        "semantics": 1,
        "parameters": tile,
        "dtype": "float32",
        "data": {"name": "digits", "digest": "0123abcd", "train_size": 1437, "test_size": 360, "chance": CHANCE},
        "cells": cells,
    }


PROVENANCE = {
    "versions": {"python": "3.11.7", "torch": "2.13.0", "phasemap": "0.1.0"},
    "device": "cpu",
    "commit": "0" * 40,
    "wall_time": 12.5,
    "created": "2025-01-01T00:00:00+00:00",
}


def results(
    batch_sizes: Sequence[int] = (6, 8, 12, 16, 32, 64),
    frontier: Callable[[dict[str, Any]], float] = lambda cell: 40 * (1 - 3 / cell["batch_size"]),
    *,
    noise: float = 0.0,
    outcome: Outcome = lambda cell: "finished",
    rng_seed: int = 0,
    **changes: Any,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(contents of one tile per batch size, all expected cells)."""
    rng = np.random.default_rng(rng_seed)
    tiles = [tile_parameters(**{**changes, "batch_size": size}) for size in batch_sizes]
    contents = [content(tile, frontier, noise=noise, outcome=outcome, rng=rng) for tile in tiles]
    return contents, [cell for tile in tiles for cell in cells_of.cells(tile)]


def a_map(*arguments: Any, **options: Any) -> xr.Dataset:
    return phase_map.build(*results(*arguments, **options), {})


def a_prediction(built: xr.Dataset, xi: Callable[[float], float], factor: float = 16.0) -> Prediction:
    """ξ as a function of the x axis, so that a test of agreement or of drawing needs no theory."""
    x = built[built.attrs["x_axis"]].values
    values = np.array([xi(float(value)) for value in x])
    curve_x = np.linspace(float(x[0]), float(x[-1]), 50)
    return Prediction(
        values,
        tuple("exploding" if np.isfinite(value) else "" for value in values),
        tuple("" if np.isfinite(value) else "no fixed point" for value in values),
        factor,
        curve_x,
        np.array([1 / xi(float(value)) for value in curve_x]),
    )


def a_theory(built: xr.Dataset, xi: Callable[[float], float], factor: float = 16.0) -> MapTheory:
    """The map's theory, with the prediction above in place of its own."""
    theory = theory_of(built)
    theory.prediction = a_prediction(built, xi, factor)
    return theory
