"""A map that is made already, seen otherwise: its axes in each other's place, or one value of an axis or seed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from phasemap.sweeps.phase_map.crowded import value_in_words, values_in_words
from phasemap.sweeps.phase_map.shared import value_of
from phasemap.sweeps.phase_map.view import View
from phasemap.theory.errors import InputError


def reshaped(phase_map: xr.Dataset, view: View) -> xr.Dataset:
    """The map as the view has it.

    Raises:
        InputError: the view asks for what the map at hand does not hold: other axes, or a value that it has not.
    """
    own = {which: str(phase_map.attrs[f"{which}_axis"]) for which in "xy"}
    x, y = view.axes(own["x"], own["y"])
    if {x, y} != set(own.values()):
        raise InputError(
            f"x, y: {x} and {y} are not the axes of this map, {own['x']} and {own['y']}: load it with them"
        )
    for name, value in view.fixed.items():
        phase_map = _taken(phase_map, name, value)
    if x == own["x"]:
        return phase_map
    chances = np.unique(phase_map["chance"].values)
    if chances.size > 1:
        raise InputError(f"x, y: chance is not the same along {own['x']}, which stays the horizontal axis")
    scales = {"x_scale": phase_map.attrs["y_scale"], "y_scale": phase_map.attrs["x_scale"]}
    chance = (x, np.repeat(chances, phase_map.sizes[x]))
    swapped = phase_map.transpose(y, x, ...).assign_coords(chance=chance)
    return swapped.assign_attrs(x_axis=x, y_axis=y, **scales)


def _taken(phase_map: xr.Dataset, name: str, value: object) -> xr.Dataset:
    """Where a dimension has one value."""
    if name not in phase_map.dims:
        raise InputError(
            f"fix: {name} is no axis of this map ({', '.join(map(str, phase_map.dims))}): load it with fix"
        )
    values = [value_of(name, entry) for entry in phase_map[name].values.tolist()]
    found = np.flatnonzero([one == value for one in values])
    if not found.size:
        raise InputError(f"fix: {name}={value_in_words(name, value)}: the map has {values_in_words(name, values)}")
    return phase_map.isel({name: found})
