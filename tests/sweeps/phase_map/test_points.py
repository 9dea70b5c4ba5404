"""The points of a map: null among an axis' values, and what no map can show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from phasemap.sweeps.phase_map import from_results
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.sweeps.phase_map.points import check_points
from phasemap.theory.errors import InputError
from phasemap.train.cells import cells
from phasemap.train.parameters import normalise
from tests.sweeps.synthetic import content

BASE = {"depth": [2, 4], "lr": 0.1, "steps": 3, "width": 4, "batch_size": 8}


def tiles(**axes: list[Any]) -> list[dict[str, Any]]:
    """Of one tile axis."""
    ((name, values),) = axes.items()
    return [normalise({**BASE, "x_axis": name, name: value}) for value in values]


@pytest.mark.parametrize(
    ("axis", "values", "shown"),
    [
        ("train_size", [100, None, 20], ["20", "100", "all"]),
        ("tf32", [True, None], ["true", "off"]),
        ("monitor", [None, "step"], ["step", "null"]),
    ],
)
def test_null_is_a_value_of_an_axis(tmp_path: Path, axis: str, values: list[Any], shown: list[str]) -> None:
    planned = tiles(**{axis: values})
    check_points(planned, {axis: values})
    contents = [content(tile, lambda cell: 3.0) for tile in planned]
    built = from_results.build(contents, [cell for tile in planned for cell in cells(tile)])
    assert built[axis].values.tolist() == shown
    assert (built["outcome"] == "finished").all()
    assert map_axis(built, "x").ticks == tuple(shown)
    assert {one[axis] for one in column_parameters(built)} == set(values)
    built.to_netcdf(tmp_path / "map.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "map.nc", engine="h5netcdf") as again:
        assert again[axis].values.tolist() == shown


def test_a_grid_that_leaves_several_cells_on_one_point() -> None:
    gammas = [0.5, 1.0, 2.0]
    planned = [normalise({**BASE, "batch_size": size, "gamma": gamma}) for size in (8, 16) for gamma in gammas]
    with pytest.raises(InputError, match="leave several cells on one point of the map; these vary too: gamma"):
        check_points(planned, {"batch_size": [8, 16], "gamma": gammas})
    check_points(planned[::3], {"batch_size": [8, 16]})
    stacked = [normalise({**BASE, "seed": [0, 1, 2], "eps": [0.1, 0.2, 0.3]})]
    with pytest.raises(InputError, match="these vary too: eps"):
        check_points(stacked, {})
