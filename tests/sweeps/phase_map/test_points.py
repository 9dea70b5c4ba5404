"""The points of a map: null among an axis' values, and what no map can show."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.phase_map import from_results
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.sweeps.phase_map.points import check_map, check_points
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


VALUES = {
    "depth": [2, 3, 5],
    "lr": [0.1, 0.2],
    "gamma": [1.0, 2.0],
    "beta": ["@gamma", 0.5],
    "seed": [0, 1],
    "width": [4, 5],
    "batch_size": [8, 16],
    "activation": ["relu", "tanh"],
    "statistics_batch_size": [4, 8],
}
STACKABLE = ("depth", "lr", "gamma", "beta", "seed")


@st.composite
def grids(draw: st.DrawFn) -> dict[str, Any]:
    """Parameters of a file: each has one value, or some, stacked or in tiles, also lists of one; any is on the axes."""
    entries: dict[str, Any] = {"steps": {"value": 3}}
    for name, values in VALUES.items():
        some = draw(st.integers(0, 3))
        if some == 0:
            chosen = draw(st.sampled_from(values))
            entries[name] = {"value": chosen}
        else:
            kinds = ["value", "values"] if name in STACKABLE else ["values"]
            numbers = [value for value in values if not str(value).startswith("@")]
            entries[name] = {draw(st.sampled_from(kinds)): numbers[: min(some, len(numbers))]}
    x, y = draw(st.permutations(list(VALUES)))[:2]
    return {**entries, "x_axis": {"value": x}, "y_axis": {"value": y}}


@settings(max_examples=60)
@given(grids())
def test_what_is_planned_can_be_drawn_and_the_rest_is_refused_before(entries: dict[str, Any]) -> None:
    axes = {name: entry["values"] for name, entry in entries.items() if "values" in entry}
    fixed = {name: entry["value"] for name, entry in entries.items() if "value" in entry}
    planned = [
        normalise({**fixed, **dict(zip(axes, point, strict=True))}) for point in itertools.product(*axes.values())
    ]
    grid = [cell for tile in planned for cell in cells(tile)]
    try:
        check_points(planned, axes)
    except InputError as error:
        (message,) = error.messages
        assert "leave several cells on one point" in message
        with pytest.raises(InputError, match="leave several cells on one point"):
            from_results.build([], grid)
        return
    built = from_results.build([], grid)
    assert built["outcome"].size >= len(grid)


def test_what_to_write_is_said_and_helps(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "method: grid\nparameters:\n  x_axis: {value: width}\n  depth: {value: [2, 4]}\n  width: {value: 4}\n"
        "  lr: {value: [0.1, 0.2]}\n  batch_size: {value: 8}\n  steps: {value: 3}\n"
    )
    experiment = load(str(mine))
    with pytest.raises(InputError, match=r"mine.yaml:3: .* width has one value: write x_axis: lr$"):
        check_map(experiment, experiment.tiles())
    experiment = load(str(mine), settings=["x_axis=lr"])
    check_map(experiment, experiment.tiles())
    experiment = load(str(mine), settings=["x_axis=lr", "batch_size=[8, 16]"])
    said = "give all but two of lr, depth and batch_size one value, as by --set"
    with pytest.raises(InputError, match=said):
        check_map(experiment, experiment.tiles())


def test_many_axes_of_one_value_do_not_hide_those_of_several() -> None:
    ones = {
        name: [normalise(BASE)[name]] for name in ("width", "activation", "slope", "alpha", "optimizer", "momentum")
    }
    ones |= {"train_bn": [True], "dtype": ["auto"], "rmsprop_alpha": [0.99], "train_size": [None]}
    planned = [normalise({**BASE, "batch_size": size, "test_size": test}) for size in (8, 16) for test in (20, 30)]
    with pytest.raises(InputError, match="these vary too: test_size"):
        check_points(planned, {**ones, "batch_size": [8, 16], "test_size": [20, 30]})
