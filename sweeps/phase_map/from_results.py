"""Result contents -> the phase map: one labelled array over the two axes and the seeds.

A cell that was never run is ``missing``, and so never confused with one that diverged. The same cell trained more than
once (a W&B sweep at scale does that) is aggregated and counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from phasemap.sweeps.phase_map.points import points_of
from phasemap.sweeps.phase_map.shared import (
    axis_coordinate,
    chance_by_column,
    data_in_words,
    described,
    moments,
    sum_lr,
)
from phasemap.sweeps.store import gc_pause as garbage
from phasemap.theory.errors import InputError
from phasemap.train.cells import networks, same_training
from phasemap.train.presentation import METRICS
from phasemap.train.result_types import CellResult, Content

OUTCOMES = ("finished", "diverged", "dead", "missing")
COUNTS = ("duplicates", "conflicts", "unexpected")
"""Attributes that count: results beyond the first of a cell; those whose outcome differs; cells outside the grid."""
_DETAILS = ("sum_lr", "steps", "diverged_at")
_Found = tuple[Mapping[str, Any], CellResult, Content]
Place = tuple[int, ...]
"""Indices of a cell in the map's arrays."""


@garbage.kept()
def build(
    contents: Iterable[Content],
    expected_cells: Sequence[Mapping[str, Any]] | None,
    presentation: Mapping[str, Any] | None = None,
    failed_cells: Iterable[Mapping[str, Any]] = (),
) -> xr.Dataset:
    """The phase map of the results.

    Args:
        contents: the ``content`` of each result file (docs/architecture.md).
        expected_cells: scalar parameters (``phasemap.train.cells.cells``) of every cell of the experiment; results of
            other cells are counted as ``unexpected`` and left out. None: what the contents hold is all there is.
        presentation: x_axis, y_axis, x_scale, y_scale, metric, overlay, overlay_factor, experiment; what is not given
            is taken from the first expected cell's parameters.
        failed_cells: parameters of cells whose training broke off for no reason of theirs, and was given up.

    Returns:
        Dimensions (y_axis, x_axis, seed), or `REPEAT` of length one for the last where the seed is an axis; each
        coordinate sorted. Variables: the metrics (float, NaN where missing or
        not existing), ``outcome``, and ``sum_lr``, ``steps``, ``diverged_at``, ``results`` (how many of each cell),
        ``exceeds_float32`` (1 where gradients leave float32's range by the theory, and float32 it was), ``failed`` (1
        where a cell is missing because it is one of ``failed_cells``). A parameter
        that varies with one axis only is a further coordinate along it. Attributes: the parameters common to all
        cells, the presentation, ``chance`` (majority-class rate; per column too, as a coordinate), ``dtype``,
        ``data`` with ``p0`` and ``gamma0``, ``sum_lr`` with ``sum_lr_min`` and ``sum_lr_max``, and the counts of
        ``COUNTS``. Attributes and values are fit for netCDF: null is left out, true and false are 1 and 0.

    Raises:
        InputError: no cells at all; axes that are no parameters or that leave several cells on one point; more than one
            data set in a map that has no axis for it.
    """
    found: Iterable[_Found] = ((*network, content) for content in contents for network in networks(content))
    if expected_cells is None:
        found = list(found)
    cells = [cell for cell, _, _ in found] if expected_cells is None else expected_cells
    if not cells:
        raise InputError("phase map: no cells: no results, and no experiment that says which were expected")
    points = points_of(cells, presentation or {})
    shown, axes, values, moved, places = points.shown, points.axes, points.values, points.moved, points.places

    results: dict[Place, list[tuple[CellResult, Content]]] = defaultdict(list)
    unexpected = 0
    for parameters_of_cell, cell, content in found:
        place = places.get(same_training(parameters_of_cell, moved))
        if place is None:
            unexpected += 1
        else:
            results[place].append((cell, content))

    used = list({id(content): content for entries in results.values() for _, content in entries}.values())
    dataset = _variables(results, axes, values)
    failed = np.zeros(dataset["outcome"].shape, dtype=np.int8)
    for lost in (places.get(same_training(cell, moved)) for cell in failed_cells):
        if lost is not None:
            failed[lost] = dataset["outcome"].values[lost] == "missing"
    dataset["failed"] = axes, failed
    attributes, coordinates = described(cells, axes, values)
    dataset = dataset.assign_coords(coordinates)
    dataset = dataset.assign_coords(chance=(axes[1], chance_by_column(used, shown["x_axis"], values[axes[1]])))
    dataset.attrs = {
        **attributes,
        **shown,
        "chance": float(np.nanmax(dataset["chance"])) if used else float("nan"),
        "dtype": ", ".join(sorted({str(content["dtype"]) for content in used})),
        "data": data_in_words(used),
        **moments(used),
        **sum_lr(dataset),
        "duplicates": sum(len(entries) - 1 for entries in results.values()),
        "conflicts": sum(len({cell["outcome"] for cell, _ in entries}) > 1 for entries in results.values()),
        "unexpected": unexpected,
    }
    return dataset


def _variables(
    results: Mapping[Place, list[tuple[CellResult, Content]]],
    axes: tuple[str, ...],
    values: Mapping[str, list[Any]],
) -> xr.Dataset:
    shape = tuple(len(values[axis]) for axis in axes)
    numbers = {name: np.full(shape, np.nan) for name in (*METRICS, *_DETAILS)}
    outcome = np.full(shape, "missing", dtype="U8")
    count, beyond = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int8)
    for place, entries in results.items():
        count[place] = len(entries)
        beyond[place] = any(cell.get("exceeds_float32") and content["dtype"] == "float32" for cell, content in entries)
        outcomes = [cell["outcome"] for cell, _ in entries]
        common = outcomes[0] if len(outcomes) == 1 else Counter(outcomes).most_common(1)[0][0]
        outcome[place] = common
        agreed: list[Mapping[str, Any]] = [cell for cell, _ in entries if cell["outcome"] == common]
        for name, array in numbers.items():
            given = [cell[name] for cell in agreed if cell.get(name) is not None]
            if given:
                array[place] = sum(given) / len(given)
    variables: dict[Hashable, Any] = {name: (axes, array) for name, array in numbers.items()}
    variables |= {"outcome": (axes, outcome), "results": (axes, count), "exceeds_float32": (axes, beyond)}
    return xr.Dataset(variables, coords={axis: axis_coordinate(axis, values[axis]) for axis in axes})
