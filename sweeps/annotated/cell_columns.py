"""What the theory predicts of a map, and its frontiers, as further columns of the table of its networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr


def with_theory(
    names: Sequence[str], table: Sequence[Sequence[Any]], phase_map: xr.Dataset
) -> tuple[list[str], list[list[Any]]]:
    """A table of networks, a row each, with every variable that ``annotated`` added to their map; None where there is
    none.

    Args:
        names: columns of the table, the map's axes among them. phase_map: annotated.
    """
    axes = [phase_map.attrs["y_axis"], phase_map.attrs["x_axis"]]
    added = [str(name) for name, variable in phase_map.items() if set(variable.dims) <= set(axes)]
    places = [{value: i for i, value in enumerate(phase_map[axis].values.tolist())} for axis in axes]
    indices = [[place.get(row[names.index(axis)]) for row in table] for axis, place in zip(axes, places, strict=True)]
    columns = [_column(phase_map[name], dict(zip(axes, indices, strict=True))) for name in added]
    rows = zip(table, zip(*columns, strict=True), strict=True) if columns else ((row, ()) for row in table)
    return [*names, *added], [[*row, *more] for row, more in rows]


def _column(variable: xr.DataArray, indices: dict[str, list[int | None]]) -> list[Any]:
    chosen = [indices[str(axis)] for axis in variable.dims]
    values = variable.values
    return [None if None in at else _plain(values[at]) for at in zip(*chosen, strict=True)]


def _plain(value: Any) -> Any:
    plain = value.item()
    return None if isinstance(plain, float) and not np.isfinite(plain) else plain
