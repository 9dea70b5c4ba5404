"""Captions and labels of maps that nobody drew by hand: other activations, widths, one column, one row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import QuadMesh

from phasemap.sweeps.figures.conditions import LISTED, SEPARATOR, in_lines, listed
from phasemap.sweeps.figures.maps import heat_map
from phasemap.sweeps.figures.maps.colour_scale import NARROW, WHOLE, colour_limits, scale_in_words
from phasemap.sweeps.figures.maps.words import caption
from phasemap.sweeps.figures.trained import exhibit
from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.squares import summarise
from phasemap.sweeps.verdict.depth_scale import assess
from phasemap.theory.activations import BUILT_IN
from tests.sweeps.residual_maps import ZIG, residual_map
from tests.sweeps.synthetic import a_map, a_prediction, content, results, tile_parameters

DEPTHS = list(range(5, 65, 5))
OPTIMIZERS = {"sgd": "SGD", "rmsprop": "RMSProp"}
some_maps = st.fixed_dictionaries(
    {
        "activation": st.sampled_from(BUILT_IN),
        "width": st.integers(1, 2000),
        "eps": st.sampled_from([0.0, 1e-5, 0.001, 0.25, 3.0]),
        "optimizer": st.sampled_from(sorted(OPTIMIZERS)),
        "seed": st.integers(1, 3).map(lambda count: list(range(count))),
        "depth": st.sampled_from([DEPTHS, DEPTHS[:1], DEPTHS[-1:]]),
    }
)
columns = st.sampled_from([(6,), (64,), (6, 8), (6, 8, 12, 16, 32, 64)])


@given(columns, some_maps)
@settings(max_examples=15)
def test_a_caption_names_all_that_the_numbers_depend_on(sizes: tuple[int, ...], given: dict[str, Any]) -> None:
    words = caption(a_map(sizes, **given))
    name, data, networks, training, runs = words.split(SEPARATOR)
    assert name == "bn-fig3a"
    assert data == "digits, 1437 training and 360 test samples"
    assert networks.split(", ")[1].removeprefix("φ = ").split(" ")[0] == given["activation"]
    assert f"width {given['width']}, ε = {given['eps']:g}" in networks
    assert training == f"{OPTIMIZERS[given['optimizer']]}, learning rate 0.01, 600 steps, Σ lr = 6"
    count = len(given["seed"])
    assert runs == f"{count} seed{'s' * (count > 1)}, float32"
    assert ("relu" in words) == ("relu" in given["activation"])


def test_what_an_axis_changes_is_named_with_its_values() -> None:
    def of(axis: str, values: list[Any], **changes: Any) -> str:
        tiles = [tile_parameters(x_axis=axis, **{axis: value}, **changes) for value in values]
        return caption(phase_map.build([content(tile, lambda cell: 30.0) for tile in tiles], None))

    assert "ε = 0.01, 0.1, 4" in of("eps", [0.01, 0.1, 4.0])
    assert "φ = relu, tanh" in of("activation", ["relu", "tanh"])
    assert "φ = leaky-relu slope=0.2, width 32 to 512" in of(
        "width", [32, 64, 128, 256, 512], activation="leaky-relu", slope=0.2
    )
    assert "β = 2" in of("eps", [0.1, 1.0], beta=2.0)
    assert "batches of 60, statistics of 10" in of("eps", [0.1, 1.0], batch_size=60, statistics_batch_size=10)
    assert "γ" not in of("gamma", [0.5, 1.0])  # the axis says it


@given(st.sampled_from(BUILT_IN), st.integers(8, 999), st.sampled_from([ZIG, ZIG[3:4]]), st.sampled_from([[5, 9], [7]]))
@settings(max_examples=8)
def test_captions_of_residual_maps(phi: str, width: int, values: tuple[float, ...], depths: list[int]) -> None:
    words = caption(residual_map(lambda cell: 0.5, values=values, depth=depths, activation=phi, widths=str(width)))
    networks, training = words.split(SEPARATOR)[2:4]
    assert networks.split(", ")[1].removeprefix("φ = ").split(" ")[0] == phi
    assert f"width {width}" in networks
    assert "β_v = β_a = 0" in networks
    assert training == "SGD, learning rate 0.0001, batches of 64, 600 steps, Σ lr = 6"


@given(columns, st.sampled_from([DEPTHS, DEPTHS[:1], DEPTHS[5:6], DEPTHS[-1:]]), st.floats(0.2, 9.0))
@settings(max_examples=15)
def test_a_label_says_beyond_the_map_only_of_a_line_that_is(
    sizes: tuple[int, ...], depths: list[int], scale: float
) -> None:
    built = a_map(sizes, depth=depths)
    ax = heat_map.draw(
        built, assess(built, prediction=a_prediction(built, lambda size: scale * (1 - 3 / size))), ids="m"
    )
    line = next(line for line in ax.lines if line.get_gid() == "m-theory")
    label = next(text for text in ax.texts if text.get_gid() == "m-theory-label")
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert ((left <= x) & (x <= right)).all()
    assert ("deeper" in label.get_text()) == bool(np.nanmin(y) > high)
    assert ("shallower" in label.get_text()) == bool(np.nanmax(y) < low)
    if "the map" not in label.get_text():
        assert 0 <= label.xy[1] <= 1


@given(st.lists(st.floats(0.05, 0.95), min_size=2, max_size=6), st.floats(0, 0.05))
@settings(max_examples=15)
def test_a_narrow_scale_holds_every_accuracy_and_is_said(accuracies: list[float], apart: float) -> None:
    values = tuple(index / 10 for index in range(len(accuracies)))
    built = residual_map(lambda cell: accuracies[round(10 * cell["beta_w"])], values=values, depth=[5], seed=[0])
    built["train_accuracy"] = built["train_accuracy"] + apart
    limits = {colour_limits(built, metric) for metric in ACCURACIES}
    assert len(limits) == 1  # test and training accuracy share a colour bar
    ((low, high),) = limits
    narrow = max(accuracies) + apart - min(accuracies) < NARROW
    assert ((low, high) != WHOLE) == narrow or math.isclose(max(accuracies) + apart - min(accuracies), NARROW)
    shown = np.concatenate([summarise(built, metric).mean.ravel() for metric in heat_map.TEST_AND_TRAINING])
    assert low <= shown.min()
    assert shown.max() <= high
    assert high - low < np.ptp(shown) + 0.1 + 1e-9 or (low, high) == WHOLE
    assert scale_in_words(built) == ("" if (low, high) == WHOLE else f"colours from {low:g} to {high:g}")


def test_both_panels_have_the_scale_that_the_caption_says() -> None:
    built = residual_map(lambda cell: 0.42 + 0.1 * cell["beta_w"], values=(0.0, 1.0), depth=[5], seed=[0])
    built["train_accuracy"] = built["train_accuracy"] + 0.1
    figure = heat_map.panels(built, {})
    assert figure.get_suptitle().endswith("colours from 0.4 to 0.65")
    meshes = [next(one for one in ax.collections if isinstance(one, QuadMesh)) for ax in figure.axes[:2]]
    assert [mesh.get_clim() for mesh in meshes] == [(0.4, 0.65)] * 2


@given(st.lists(st.text("abc de", min_size=1, max_size=30), min_size=1, max_size=8), st.integers(10, 60))
def test_lines_keep_every_part_whole(parts: list[str], most: int) -> None:
    lines = in_lines(SEPARATOR.join(parts), most).split("\n")
    assert [part for line in lines for part in line.split(SEPARATOR)] == parts
    assert all(len(line) <= most or SEPARATOR not in line for line in lines)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=9, unique=True).map(sorted))
def test_many_values_become_a_range(values: list[int]) -> None:
    shown = listed(values)
    assert shown == (", ".join(map(str, values)) if len(values) <= LISTED else f"{values[0]} to {values[-1]}")


def test_an_exhibits_caption_says_the_same() -> None:
    contents, _ = results((8, 16), activation="tanh", width=77, eps=0.01)
    words = exhibit.caption(contents)
    for part in ("digits, 1437 training and 360 test samples", "φ = tanh", "width 77", "ε = 0.01", "depth 5 to 60"):
        assert part in words
    for part in ("SGD", "learning rate 0.01", "batches of 8, 16", "600 steps", "Σ lr = 6", "3 seeds", "float32"):
        assert part in words


@pytest.mark.parametrize("which", ["x", "y"])
def test_one_column_and_one_row_have_an_extent(which: str) -> None:
    built: xr.Dataset = a_map((16,)) if which == "x" else a_map((8, 16), depth=[30])
    edges = map_axis(built, which).edges
    assert edges.size == 2
    assert edges[0] < edges[1]
