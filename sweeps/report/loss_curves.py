"""The loss curves behind a map's squares: on the page, or, where they are many, in a file beside it."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from phasemap.sweeps.phase_map.squares import STATES
from phasemap.train.result_types import Content
from phasemap.train.whole_file import whole

CURVE_POINTS = 24
"""Points of a loss curve; longer histories are thinned evenly, with both ends kept."""
MOST_CURVES = 5000
"""Networks of a map; the curves of one with more are not on its page."""


def curves_json(phase_map: xr.Dataset, contents: Iterable[Content]) -> Iterator[str]:
    """``{"cells": [[i, j, seed, outcome, diverged_at, steps, [loss, …]], …], "steps": […]}``, piece by piece, as JSON
    of nothing but numbers: the square, a place in ``STATES``, and which of the lists of steps the losses belong to."""
    known: dict[tuple[int, ...], int] = {}
    yield '{"cells":['
    for place, cell in enumerate(_cells(phase_map, contents, known)):
        yield f",{cell}" if place else cell
    yield f'],"steps":[{",".join(map(_list, known))}]}}'


def write_beside(page: Path, curves: Iterable[str]) -> str:
    """Writes the curves to a file beside the page, for its script; the file's name. Raises OSError."""
    path = page.with_name(f"{page.stem}.curves.js")
    with whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("phasemapCurves(")
        file.writelines(curves)
        file.write(");\n")
    return path.name


def _cells(phase_map: xr.Dataset, contents: Iterable[Content], known: dict[tuple[int, ...], int]) -> Iterator[str]:
    """Each network once; lists of steps are added to ``known``."""
    y_axis, x_axis = phase_map.attrs["y_axis"], phase_map.attrs["x_axis"]
    rows, columns = ({_plain(v): i for i, v in enumerate(phase_map[axis].values.tolist())} for axis in (y_axis, x_axis))
    outcomes = {state: code for code, state in enumerate(STATES)}
    seen: set[tuple[int, int, int]] = set()
    for content in contents:
        for cell in content["cells"]:
            values = ChainMap(cell["parameters"], content["parameters"])  # type: ignore[arg-type]
            i, j = rows.get(_plain(values[y_axis])), columns.get(_plain(values[x_axis]))
            if i is None or j is None or (i, j, cell["seed"]) in seen:
                continue
            seen.add((i, j, cell["seed"]))
            history = cell["history"]
            chosen = _thinned(len(history["step"]))
            steps = known.setdefault(tuple(history["step"][k] for k in chosen), len(known))
            diverged = "null" if cell["diverged_at"] is None else cell["diverged_at"]
            losses = _list(_number(history["loss"][k]) for k in chosen)
            yield _list((i, j, cell["seed"], outcomes[cell["outcome"]], diverged, steps, losses))


def _list(values: Iterable[Any]) -> str:
    return f"[{','.join(map(str, values))}]"


def _number(value: float | None) -> str:
    """With four significant digits; null for what is not finite."""
    return "null" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _plain(value: Any) -> Any:
    """An axis value as the phase map's coordinate spells it."""
    return "null" if value is None else (int(value) if isinstance(value, bool) else value)


def _thinned(length: int) -> Sequence[int]:
    if length <= CURVE_POINTS:
        return range(length)
    return np.unique(np.linspace(0, length - 1, CURVE_POINTS).round().astype(int)).tolist()
