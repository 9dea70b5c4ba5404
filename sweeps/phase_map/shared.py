"""What all cells of a map share, as attributes and coordinates that netCDF can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from phasemap.theory.errors import InputError
from phasemap.train import parameters
from phasemap.train.parameter_rows.values import read_value
from phasemap.train.result_types import Content

_DATA_AXES = ("dataset", "train_size", "test_size")


def coordinate(values: Sequence[Any]) -> np.ndarray:
    """Values as an array that netCDF can hold: null as NaN or text, booleans as 0 and 1."""
    if any(isinstance(value, str) for value in values):
        return np.array(["null" if value is None else str(value) for value in values])
    if any(value is None for value in values):
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array([int(value) if isinstance(value, bool) else value for value in values])


def axis_coordinate(axis: str, values: Sequence[Any]) -> np.ndarray:
    """The values of an axis; where null is one of them, all as texts, null as its parameter calls it (``all``)."""
    if None not in values:
        return coordinate(values)
    absent = parameters.TABLE[axis].absent
    return np.array([absent if value is None else str(value).lower() for value in values])


def value_of(name: str, entry: Any) -> Any:
    """The parameter's value that an entry of its coordinate stands for."""
    row = parameters.TABLE[name]
    if not isinstance(entry, str):
        return entry
    if entry == row.absent:
        return None
    return entry if row.kind is str else read_value(name, row, entry, parameters.TABLE)


def described(
    cells: Sequence[Mapping[str, Any]], axes: tuple[str, ...], values: Mapping[str, list[Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters common to all cells, coordinates for those that vary with one axis only).

    The attribute ``varying`` names those that vary in another way, if there are any.
    """
    attributes: dict[str, Any] = {}
    varying: list[str] = []
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
                coordinates[name] = (axis, coordinate([by_value[value] for value in values[axis]]))
                break
        else:
            varying.append(name)
    return attributes | ({"varying": ", ".join(varying)} if varying else {}), coordinates


def chance_by_column(contents: Sequence[Content], x_axis: str, values: Sequence[Any]) -> np.ndarray:
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


def data_in_words(contents: Sequence[Content]) -> str:
    """The data set in words: name, sizes of its subsets, digest."""
    kinds = {
        f"{data['name']}, {data['train_size']} training and {data['test_size']} test samples, digest {data['digest']}"
        for data in (content["data"] for content in contents)
    }
    return "; ".join(sorted(kinds))


def moments(contents: Sequence[Content]) -> dict[str, float]:
    """p0 and gamma0 as measured on the data; nothing where the results do not hold them, or hold several."""
    found = {(data.get("p0"), data.get("gamma0")) for data in (content["data"] for content in contents)}
    p0, gamma0 = next(iter(found)) if len(found) == 1 else (None, None)
    return {} if p0 is None or gamma0 is None else {"p0": float(p0), "gamma0": float(gamma0)}


def sum_lr(dataset: xr.Dataset) -> dict[str, float]:
    """Median and range of Σ lr over the cells that ran to their end (over all that ran if none did)."""
    total = dataset["sum_lr"].values
    finished = total[(dataset["outcome"].values != "diverged") & np.isfinite(total)]
    some = finished if finished.size else total[np.isfinite(total)]
    if not some.size:
        return {}
    return {"sum_lr": float(np.median(some)), "sum_lr_min": float(some.min()), "sum_lr_max": float(some.max())}
