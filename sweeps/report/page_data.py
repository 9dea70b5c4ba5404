"""What the page's script reads: the numbers behind every square."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from phasemap.sweeps.figures.maps.words import titles
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.squares import STATES, Cells, summarise
from phasemap.sweeps.verdict.depth_scale import Agreement

DECIMALS = 3
"""Of the numbers; the page shows no more."""


def payload(phase_map: xr.Dataset, agreements: Mapping[str, Agreement], metrics: Sequence[str]) -> dict[str, Any]:
    """Strict JSON: null for what does not exist, never NaN.

    What stands for each square is listed by row: its number (``mean``, and ``sd`` where any square has one) in
    ``metrics``, and in ``kind`` which of the ``kinds`` it is of: how many seeds ended how, and whether beyond float32.
    """
    x, y = map_axis(phase_map, "x"), map_axis(phase_map, "y")
    words = titles(phase_map)
    squares = {metric: summarise(phase_map, metric) for metric in metrics}
    kinds, kind = _kinds(squares[metrics[0]])
    predicted = next(iter(agreements.values())).prediction if agreements else None
    return {
        "x": {"name": x.label, "ticks": list(x.ticks)},
        "y": {"name": y.label, "ticks": list(y.ticks), "depth": y.name == "depth"},
        "outcomes": list(STATES),
        "kinds": kinds,
        "kind": kind,
        "metrics": {
            metric: {"title": words[metric], "mean": _rounded(square.mean), "sd": _spread(square.sd)}
            for metric, square in squares.items()
        },
        "xi": _rounded(predicted.xi) if predicted else [None] * len(x.ticks),
        "regime": list(predicted.regime) if predicted else [""] * len(x.ticks),
    }


def _kinds(squares: Cells) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """The kinds of squares that there are, few even on a large map, and the number of each square's."""
    states = {state: code for code, state in enumerate(STATES)}
    codes = np.vectorize(states.__getitem__, otypes=[int])(squares.state)
    rows = np.stack([codes, squares.exceeds_float32, *squares.counts], axis=-1).reshape(codes.size, -1)
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    kinds = [
        {"state": STATES[code], "float32": bool(beyond), "counts": counts}
        for code, beyond, *counts in distinct.tolist()
    ]
    return kinds, which.reshape(codes.shape).tolist()


def _rounded(values: Float[np.ndarray, "*n"]) -> Any:
    """Nested lists with null for what is not finite."""
    rounded = (np.round(values, DECIMALS) + 0.0).astype(object)  # no minus before a zero
    rounded[~np.isfinite(values)] = None
    return rounded.tolist()


def _spread(values: Float[np.ndarray, "y x"]) -> Any:
    return _rounded(values) if np.isfinite(values).any() else None
