"""Two maps cut to the same columns; those of one are interpolated where the maps share too few."""

from __future__ import annotations

import numpy as np
import xarray as xr

from phasemap.sweeps.phase_map.accuracies import accuracies
from phasemap.theory.errors import InputError

FEWEST_COMMON = 5
"""Common columns below which those of B are interpolated to A's, if that gives more."""


def on_common_columns(a: xr.Dataset, b: xr.Dataset, metric: str) -> tuple[xr.Dataset, xr.Dataset, bool]:
    """(A, B, whether B's columns were interpolated), with the same columns. Raises InputError."""
    if a.attrs["x_axis"] != b.attrs["x_axis"]:
        a, b = _over_statistics(a), _over_statistics(b)
    axes = [(one.attrs["y_axis"], one.attrs["x_axis"]) for one in (a, b)]
    if axes[0] != axes[1]:
        raise InputError(f"compare: the maps have different axes: {' over '.join(axes[0])}, {' over '.join(axes[1])}")
    x = axes[0][1]
    columns, common = a[x].values, np.intersect1d(a[x].values, b[x].values)
    others = common.size < b.sizes[x]  # B's gaps are filled from columns of its own that A does not have
    if common.size < FEWEST_COMMON and others and b.sizes[x] > 1 and np.issubdtype(columns.dtype, np.number):
        within = columns[(columns >= b[x].values.min()) & (columns <= b[x].values.max())]
        if within.size > common.size:
            return a.sel({x: within}), _between(b, within, metric), True
    if not common.size:
        raise InputError(f"compare: the maps have no {x} in common")
    return a.sel({x: common}), b.sel({x: common}), False


def _over_statistics(phase_map: xr.Dataset) -> xr.Dataset:
    """A map over batch_size as one over statistics_batch_size, if that varies with it."""
    other = "statistics_batch_size"
    if phase_map.attrs["x_axis"] != "batch_size" or other not in phase_map.coords:
        return phase_map
    return phase_map.swap_dims({"batch_size": other}).assign_attrs(x_axis=other)


def _between(phase_map: xr.Dataset, columns: np.ndarray, metric: str) -> xr.Dataset:
    """The map's accuracy, cell by cell and seed by seed, at columns between its own: linear on the axis's scale."""
    x = phase_map.attrs["x_axis"]
    own, asked = phase_map[x].values.astype(float), columns.astype(float)
    if phase_map.attrs["x_scale"] == "log" and own.min() > 0:
        own, asked = np.log(own), np.log(asked)
    accuracy = accuracies(phase_map, metric)
    right = np.clip(np.searchsorted(own, asked), 1, own.size - 1)
    part = ((asked - own[right - 1]) / (own[right] - own[right - 1]))[None, :, None]
    # a column that is the map's own takes nothing from its neighbour, which may be missing
    low, high = (np.where(share == 0, 0.0, accuracy[:, at]) for share, at in ((1 - part, right - 1), (part, right)))
    values = (1 - part) * low + part * high
    dims = (phase_map.attrs["y_axis"], x, "seed")
    outcome = np.where(np.isfinite(values), "finished", "missing")
    there = phase_map.isel({x: right}).drop_vars(list(phase_map.data_vars))
    linked = [str(n) for n in phase_map.coords if np.array_equal(phase_map[n].values, phase_map[x].values)]
    there = there.assign_coords(dict.fromkeys((x, *linked), (x, columns)))
    return there.assign({metric: (dims, values), "outcome": (dims, outcome)})
