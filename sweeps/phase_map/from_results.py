"""Result contents -> the phase map: one labelled array over the two axes and the seeds.

A cell that was never run is ``missing``, and so never confused with one that diverged. The same cell trained more than
once (a W&B sweep at scale does that) is aggregated and counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from phasemap.sweeps.store import gc_pause as garbage
from phasemap.theory.errors import InputError
from phasemap.train import parameters

OUTCOMES = ("finished", "diverged", "dead", "missing")
PRESENTATION = ("experiment", "x_axis", "y_axis", "x_scale", "y_scale", "metric", "overlay", "overlay_factor")
COUNTS = ("duplicates", "conflicts", "unexpected")
"""Attributes that count: results beyond the first of a cell; those whose outcome differs; cells outside the grid."""
REPEAT = "repeat"
"""The third dimension of a map one of whose axes is the seed."""
_DATA_AXES = ("dataset", "train_size", "test_size")
_FILES = ("activation", "dataset")
"""Parameters that may name a file; where the whole map has one, it may have moved since."""
_IDENTITY = tuple(name for name, row in parameters.TABLE.items() if row.identity and name not in _FILES)
_DETAILS = ("sum_lr", "steps", "diverged_at")


@garbage.kept()
def build(
    contents: Iterable[Mapping[str, Any]],
    expected_cells: Sequence[Mapping[str, Any]] | None,
    presentation: Mapping[str, Any] | None = None,
    failed_cells: Iterable[Mapping[str, Any]] = (),
) -> xr.Dataset:
    """The phase map of the results.

    Args:
        contents: the ``content`` of each result file (docs/architecture.md).
        expected_cells: scalar parameters (``phasemap.train.parameters.cells``) of every cell of the experiment; results of other
            cells are counted as ``unexpected`` and left out. None: what the contents hold is all there is.
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
    contents = list(contents)
    found = [entry for content in contents for entry in _found(content)]
    cells = [dict(cell) for cell in expected_cells] if expected_cells is not None else [cell for cell, _, _ in found]
    if not cells:
        raise InputError("phase map: no cells: no results, and no experiment that says which were expected")
    shown = _presentation(cells[0], presentation or {})
    axes = (shown["y_axis"], shown["x_axis"], "seed" if "seed" not in (shown["y_axis"], shown["x_axis"]) else REPEAT)
    values = {axis: _sorted({cell.get(axis, 0) for cell in cells}) for axis in axes}
    moved = [name for name in _FILES if len({cell.get(name) for cell in cells}) == 1]
    places = _places(cells, axes, values, moved)

    results: dict[tuple[Any, ...], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = defaultdict(list)
    unexpected = 0
    for parameters_of_cell, cell, content in found:
        key = _key(parameters_of_cell, moved)
        if key in places:
            results[key].append((cell, content))
        else:
            unexpected += 1

    used = [content for entries in results.values() for _, content in entries]
    dataset = _variables(results, places, axes, values)
    failed = np.zeros(dataset["outcome"].shape, dtype=np.int8)
    for place in (places.get(_key(cell, moved)) for cell in failed_cells):
        if place is not None:
            failed[place] = dataset["outcome"].values[place] == "missing"
    dataset["failed"] = axes, failed
    attributes, coordinates = _described(cells, axes, values)
    dataset = dataset.assign_coords(coordinates)
    dataset = dataset.assign_coords(chance=(axes[1], _chance(used, shown["x_axis"], values[axes[1]])))
    dataset.attrs = {
        **attributes,
        **shown,
        "chance": float(np.nanmax(dataset["chance"])) if used else float("nan"),
        "dtype": ", ".join(sorted({str(content["dtype"]) for content in used})),
        "data": _data(used),
        **_moments(used),
        **_sum_lr(dataset),
        "duplicates": sum(len(entries) - 1 for entries in results.values()),
        "conflicts": sum(len({cell["outcome"] for cell, _ in entries}) > 1 for entries in results.values()),
        "unexpected": unexpected,
    }
    return dataset


def _found(content: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Mapping[str, Any], Any]]:
    """(complete parameters of the cell, the cell, its content) for each cell."""
    scalars = {name: value for name, value in content["parameters"].items() if not isinstance(value, list)}
    for cell in content["cells"]:
        yield {**scalars, **cell["parameters"], "seed": cell["seed"]}, cell, content


def _presentation(cell: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: given.get(name, cell.get(name, parameters.TABLE[name].default)) for name in PRESENTATION}
    wrong = [axis for axis in ("x_axis", "y_axis") if shown[axis] not in cell]
    if wrong:
        raise InputError(*(f"{axis}: {shown[axis]!r}: expected a parameter of the cells" for axis in wrong))
    if shown["x_axis"] == shown["y_axis"]:
        raise InputError(f"x_axis, y_axis: both are {shown['x_axis']!r}")
    return shown


def _key(cell: Mapping[str, Any], moved: Sequence[str] = ()) -> tuple[Any, ...]:
    """What decides the cell's training, in the table's order: the same for a local result and for one of W&B, and of
    the parameters ``moved``, which name files of the user's own, wherever the file lies."""
    return (
        *map(cell.get, _IDENTITY),
        *(str(cell.get(name)).rpartition("/")[2 if name in moved else 0 :] for name in _FILES),
    )


def _sorted(values: set[Any]) -> list[Any]:
    texts = any(isinstance(value, str) for value in values)
    return sorted(values, key=str) if texts else sorted(values)


def _places(
    cells: Sequence[Mapping[str, Any]], axes: tuple[str, ...], values: Mapping[str, list[Any]], moved: Sequence[str]
) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """Key of each cell -> its indices in the array."""
    indices = {axis: {value: i for i, value in enumerate(values[axis])} for axis in axes}
    places = {_key(cell, moved): tuple(indices[axis][cell.get(axis, 0)] for axis in axes) for cell in cells}
    taken = Counter(places.values())
    if max(taken.values()) > 1:
        varying = sorted(
            name
            for name in cells[0]
            if name in parameters.TABLE and parameters.TABLE[name].identity and name not in axes
            if len({repr(cell.get(name)) for cell in cells}) > 1
        )
        raise InputError(
            f"x_axis, y_axis: {axes[1]} and {axes[0]} leave several cells on one point of the map; "
            f"these vary too: {', '.join(varying)}"
        )
    return places


def _variables(
    results: Mapping[tuple[Any, ...], list[tuple[Mapping[str, Any], Mapping[str, Any]]]],
    places: Mapping[tuple[Any, ...], tuple[int, ...]],
    axes: tuple[str, ...],
    values: Mapping[str, list[Any]],
) -> xr.Dataset:
    shape = tuple(len(values[axis]) for axis in axes)
    numbers = {name: np.full(shape, np.nan) for name in (*parameters.METRICS, *_DETAILS)}
    outcome = np.full(shape, "missing", dtype="U8")
    count, beyond = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int8)
    for key, entries in results.items():
        place = places[key]
        count[place] = len(entries)
        beyond[place] = any(cell.get("exceeds_float32") and content["dtype"] == "float32" for cell, content in entries)
        told = [cell["outcome"] for cell, _ in entries]
        common = told[0] if len(told) == 1 else Counter(told).most_common(1)[0][0]
        outcome[place] = common
        agreed = [cell for cell, _ in entries if cell["outcome"] == common]
        for name, array in numbers.items():
            given = [cell[name] for cell in agreed if cell.get(name) is not None]
            if given:
                array[place] = sum(given) / len(given)
    variables: dict[Hashable, Any] = {name: (axes, array) for name, array in numbers.items()}
    variables |= {"outcome": (axes, outcome), "results": (axes, count), "exceeds_float32": (axes, beyond)}
    return xr.Dataset(variables, coords={axis: _coordinate(values[axis]) for axis in axes})


def _coordinate(values: Sequence[Any]) -> np.ndarray:
    """Values as an array that netCDF can hold: null as NaN or text, booleans as 0 and 1."""
    if any(isinstance(value, str) for value in values):
        return np.array(["null" if value is None else str(value) for value in values])
    if any(value is None for value in values):
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array([int(value) if isinstance(value, bool) else value for value in values])


def _described(
    cells: Sequence[Mapping[str, Any]], axes: tuple[str, ...], values: Mapping[str, list[Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters common to all cells, coordinates for those that vary with one axis only)."""
    attributes: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    for name, row in parameters.TABLE.items():
        if name in axes or not row.identity or name not in cells[0]:
            continue
        value = cells[0][name]
        if all(cell.get(name) == value for cell in cells):
            if value is not None:
                attributes[name] = int(value) if isinstance(value, bool) else value
            continue
        for axis in axes[:2]:
            along = {(cell[axis], repr(cell.get(name))): cell.get(name) for cell in cells}
            if len(along) == len(values[axis]):
                by_value = {value: entry for (value, _), entry in along.items()}
                coordinates[name] = (axis, _coordinate([by_value[value] for value in values[axis]]))
                break
    return attributes, coordinates


def _chance(contents: Sequence[Mapping[str, Any]], x_axis: str, values: Sequence[Any]) -> np.ndarray:
    """Majority-class rate per column. Raises InputError if the map mixes data sets without an axis that says so."""
    kinds = {(content["data"]["digest"], float(content["data"]["chance"])) for content in contents}
    if len(kinds) <= 1 or x_axis not in _DATA_AXES:
        if len(kinds) > 1:
            names = sorted({f"{content['data']['name']} ({content['data']['digest']})" for content in contents})
            raise InputError(f"phase map: results on different data do not make one map: {', '.join(names)}")
        chance = next(iter(kinds))[1] if kinds else np.nan
        return np.full(len(values), chance)
    by_value = {content["parameters"][x_axis]: float(content["data"]["chance"]) for content in contents}
    return np.array([by_value.get(value, np.nan) for value in values])


def _data(contents: Sequence[Mapping[str, Any]]) -> str:
    """The data set in words: name, sizes of its subsets, digest."""
    kinds = {
        f"{data['name']}, {data['train_size']} training and {data['test_size']} test samples, digest {data['digest']}"
        for data in (content["data"] for content in contents)
    }
    return "; ".join(sorted(kinds))


def _moments(contents: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """p0 and gamma0 as measured on the data; nothing where the results do not hold them, or hold several."""
    found = {(data.get("p0"), data.get("gamma0")) for data in (content["data"] for content in contents)}
    p0, gamma0 = next(iter(found)) if len(found) == 1 else (None, None)
    return {} if p0 is None or gamma0 is None else {"p0": float(p0), "gamma0": float(gamma0)}


def _sum_lr(dataset: xr.Dataset) -> dict[str, float]:
    """Median and range of Σ lr over the cells that ran to their end (over all that ran if none did)."""
    total = dataset["sum_lr"].values
    finished = total[(dataset["outcome"].values != "diverged") & np.isfinite(total)]
    some = finished if finished.size else total[np.isfinite(total)]
    if not some.size:
        return {}
    return {"sum_lr": float(np.median(some)), "sum_lr_min": float(some.min()), "sum_lr_max": float(some.max())}
