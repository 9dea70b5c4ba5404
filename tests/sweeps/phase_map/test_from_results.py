"""The phase map: every cell in its place, missing told from diverged, duplicates counted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.theory.errors import InputError
from phasemap.train import cells as cells_of
from tests.sweeps.synthetic import a_map, content, results, tile_parameters


def test_each_cell_is_where_its_parameters_say() -> None:
    contents, expected = results()
    built = phase_map.build(reversed(contents), expected, {})
    assert built["test_accuracy"].dims == ("depth", "batch_size", "seed")
    for one in contents:
        for cell in one["cells"]:
            place = {name: {**cell["parameters"]}[name] for name in ("depth", "batch_size", "seed")}
            assert float(built["test_accuracy"].sel(place)) == cell["test_accuracy"]
            assert str(built["outcome"].sel(place).values) == "finished"


def test_cells_never_run_are_missing_and_diverged_ones_are_not() -> None:
    contents, expected = results(outcome=lambda cell: "diverged" if cell["depth"] == 60 else "finished")
    built = phase_map.build(contents[:-1], expected, {})
    assert set(built["outcome"].sel(batch_size=64).values.ravel()) == {"missing"}
    assert set(built["outcome"].sel(batch_size=32, depth=60).values) == {"diverged"}
    assert np.isnan(built["test_accuracy"].sel(batch_size=64)).all()
    assert np.isnan(built["test_loss"].sel(batch_size=32, depth=60)).all()
    assert (built["diverged_at"].sel(batch_size=32, depth=60) == 37).all()


def test_the_attributes_say_what_all_cells_share_and_what_the_map_shows() -> None:
    built = a_map()
    assert built.attrs["activation"] == "relu"
    assert built.attrs["chance"] == 0.1
    assert built.attrs["dtype"] == "float32"
    assert built.attrs["sum_lr"] == 6.0
    assert "digits" in built.attrs["data"]
    assert (built.attrs["x_axis"], built.attrs["y_axis"], built.attrs["overlay_factor"]) == (
        "batch_size",
        "depth",
        16.0,
    )
    assert "batch_size" not in built.attrs
    assert built["statistics_batch_size"].dims == ("batch_size",)
    assert list(built["statistics_batch_size"].values) == list(built["batch_size"].values)


def test_a_parameter_bound_to_one_axis_becomes_a_coordinate_along_it() -> None:
    tiles = [tile_parameters(batch_size=size, lr=None, lr_per_sample=1e-5) for size in (8, 16)]
    built = phase_map.build(
        [content(tile, lambda cell: 30.0) for tile in tiles], [c for t in tiles for c in cells_of.cells(t)], {}
    )
    np.testing.assert_allclose(built["lr"].values, [8e-5, 16e-5])
    columns = column_parameters(built)
    assert [column["statistics_batch_size"] for column in columns] == [8, 16]
    assert columns[0]["activation"] == "relu"


def test_duplicates_are_aggregated_and_counted() -> None:
    contents, expected = results()
    again = copy.deepcopy(contents[0])
    for cell in again["cells"]:
        cell["test_accuracy"] += 0.02
    built = phase_map.build([*contents, again], expected, {})
    assert built.attrs["duplicates"] == len(again["cells"])
    assert built.attrs["conflicts"] == 0
    np.testing.assert_allclose(
        built["test_accuracy"].sel(batch_size=6) - a_map()["test_accuracy"].sel(batch_size=6), 0.01, atol=1e-12
    )
    assert (built["results"].sel(batch_size=6) == 2).all()


def test_duplicates_that_disagree_on_the_outcome_are_counted_as_conflicts() -> None:
    contents, expected = results()
    again = copy.deepcopy(contents[0])
    again["cells"][0]["outcome"], again["cells"][0]["test_accuracy"] = "diverged", None
    built = phase_map.build([*contents, again], expected, {})
    assert built.attrs["conflicts"] == 1
    first = built.isel(depth=0, batch_size=0, seed=0)
    assert str(first["outcome"].values) == "finished"
    assert float(first["test_accuracy"]) == contents[0]["cells"][0]["test_accuracy"]


def test_cells_outside_the_grid_are_counted_and_left_out() -> None:
    contents, expected = results()
    fewer = [cell for cell in expected if cell["batch_size"] != 8]
    built = phase_map.build(contents, fewer, {})
    assert 8 not in built["batch_size"].values
    assert built.attrs["unexpected"] == len(expected) - len(fewer)


def test_without_an_experiment_the_results_explain_themselves() -> None:
    contents, expected = results()
    xr.testing.assert_identical(phase_map.build(contents, None), phase_map.build(contents, expected, {}))


def test_a_categorical_axis_and_a_coarse_order() -> None:
    tiles = [tile_parameters(activation=name) for name in ("tanh", "relu")]
    expected = [cell for tile in tiles for cell in cells_of.cells(tile)]
    built = phase_map.build([content(tiles[0], lambda cell: 30.0)], expected, {"x_axis": "activation"})
    assert list(built["activation"].values) == ["relu", "tanh"]
    assert set(built["outcome"].sel(activation="relu").values.ravel()) == {"missing"}


@pytest.mark.parametrize(
    ("contents", "expected", "presentation", "named"),
    [
        ([], [], {}, "no cells"),
        (*results(), {"x_axis": "colour"}, "colour"),
        (*results(), {"x_axis": "depth"}, "both"),
        (*results(), {"x_axis": "gamma"}, "batch_size"),
    ],
)
def test_what_makes_no_map_is_refused(contents: Any, expected: Any, presentation: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        phase_map.build(contents, expected, presentation)


def test_results_on_different_data_do_not_mix() -> None:
    contents, expected = results()
    contents[0]["data"] = {**contents[0]["data"], "digest": "ffff"}
    with pytest.raises(InputError, match="ffff"):
        phase_map.build(contents, expected, {})


def test_the_map_survives_netcdf(tmp_path: Path) -> None:
    built = a_map(outcome=lambda cell: "dead" if cell["depth"] == 60 else "finished")
    file = tmp_path / "map.nc"
    built.to_netcdf(file, engine="scipy")
    with xr.open_dataset(file, engine="scipy") as read:
        xr.testing.assert_equal(read.load(), built)
        assert json.dumps({k: str(v) for k, v in read.attrs.items()}) == json.dumps(
            {k: str(v) for k, v in built.attrs.items()}
        )
