"""What the networks of one column of a map share, and what they do not."""

from __future__ import annotations

from typing import Any

import xarray as xr

from phasemap.sweeps.phase_map.shared import value_of
from phasemap.train import parameters


def column_parameters(phase_map: xr.Dataset) -> list[dict[str, Any]]:
    """Per column (value along the x axis): the parameters that the whole column shares, in the table's kinds."""
    x_axis = phase_map.attrs["x_axis"]
    common = {name: value for name, value in phase_map.attrs.items() if name in parameters.TABLE}
    along = [str(name) for name in phase_map.coords if phase_map[name].dims == (x_axis,) and name in parameters.TABLE]
    values = [[value_of(name, entry) for entry in phase_map[name].values.tolist()] for name in along]
    return [{**common, **dict(zip(along, column, strict=True))} for column in zip(*values, strict=True)]


def changing_within_columns(phase_map: xr.Dataset) -> set[str]:
    """The parameters, beside the vertical axis, that do not have one value in each column."""
    y_axis = phase_map.attrs["y_axis"]
    along = {str(name) for name in phase_map.coords if phase_map[name].dims == (y_axis,)}
    return (along - {y_axis}) | set(str(phase_map.attrs.get("varying", "")).split(", ")) - {""}
