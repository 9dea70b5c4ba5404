"""What the page's script reads: the numbers behind every square, and the loss curves of every cell."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from phasemap.sweeps.figures.maps.words import titles
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.squares import STATES, summarise
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.train.result_types import Content

CURVE_POINTS = 24
"""Points of a loss curve on the page; longer histories are thinned evenly, with both ends kept."""


def payload(
    phase_map: xr.Dataset,
    agreements: Mapping[str, Agreement],
    metrics: Sequence[str],
    contents: Sequence[Content],
) -> dict[str, Any]:
    """Strict JSON: null for what does not exist, never NaN."""
    x, y = map_axis(phase_map, "x"), map_axis(phase_map, "y")
    words = titles(phase_map)
    squares = {metric: summarise(phase_map, metric) for metric in metrics}
    any_metric = squares[metrics[0]]
    curves, steps = _curves(phase_map, contents)
    predicted = next(iter(agreements.values())).prediction if agreements else None
    return {
        "x": {"name": x.label, "ticks": list(x.ticks)},
        "y": {"name": y.label, "ticks": list(y.ticks), "depth": y.name == "depth"},
        "outcomes": list(STATES),
        "state": any_metric.state.tolist(),
        "counts": np.moveaxis(any_metric.counts, 0, -1).tolist(),
        "float32": any_metric.exceeds_float32.astype(int).tolist(),
        "metrics": {
            metric: {"title": words[metric], "mean": _rounded(square.mean), "sd": _rounded(square.sd)}
            for metric, square in squares.items()
        },
        "xi": _rounded(predicted.xi) if predicted else [None] * len(x.ticks),
        "regime": list(predicted.regime) if predicted else [""] * len(x.ticks),
        "curves": curves,
        "steps": steps,
    }


def _rounded(values: Any) -> Any:
    """Nested lists with four significant digits and null for what is not finite."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return None if values is None or not math.isfinite(values) else float(f"{values:.4g}")


def _curves(
    phase_map: xr.Dataset, contents: Sequence[Content]
) -> tuple[dict[str, list[dict[str, Any]]], list[list[int]]]:
    """(curves by square "i-j", the distinct lists of steps that they refer to by index)."""
    y_axis, x_axis = phase_map.attrs["y_axis"], phase_map.attrs["x_axis"]
    index = {axis: {_plain(v): i for i, v in enumerate(phase_map[axis].values.tolist())} for axis in (y_axis, x_axis)}
    curves: dict[str, list[dict[str, Any]]] = {}
    known: dict[tuple[int, ...], int] = {}
    seen: set[tuple[int, int, int]] = set()
    for content in contents:
        for cell in content["cells"]:
            values = ChainMap(cell["parameters"], content["parameters"])
            i, j = index[y_axis].get(_plain(values[y_axis])), index[x_axis].get(_plain(values[x_axis]))
            if i is None or j is None or (i, j, cell["seed"]) in seen:
                continue
            seen.add((i, j, cell["seed"]))
            history = cell.get("history") or {"step": [], "loss": []}
            chosen = _thinned(len(history["step"]))
            steps = tuple(int(history["step"][k]) for k in chosen)
            curves.setdefault(f"{i}-{j}", []).append(
                {
                    "seed": cell["seed"],
                    "outcome": cell["outcome"],
                    "diverged_at": cell.get("diverged_at"),
                    "steps": known.setdefault(steps, len(known)),
                    "loss": _rounded([history["loss"][k] for k in chosen]),
                }
            )
    return curves, [list(steps) for steps in known]


def _plain(value: Any) -> Any:
    """An axis value as the phase map's coordinate spells it."""
    return "null" if value is None else (int(value) if isinstance(value, bool) else value)


def _thinned(length: int) -> list[int]:
    if length <= CURVE_POINTS:
        return list(range(length))
    return np.unique(np.linspace(0, length - 1, CURVE_POINTS).round().astype(int)).tolist()
