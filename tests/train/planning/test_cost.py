"""The one cost model: by hand, over stacked axes, in both dtypes; what the families share of it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.train.cells import cells
from phasemap.train.data.catalogue import DATA_SETS
from phasemap.train.families.catalogue import family_of
from phasemap.train.machine.speed import Rates
from phasemap.train.parameters import normalise
from phasemap.train.planning.cost import (
    LAUNCH_SHARE,
    SET_UP,
    Cost,
    cell_count,
    cost,
    duration,
    grid_cost,
    layer_elements,
)

TILE: dict[str, Any] = {"dataset": "digits", "depth": 3, "width": 10, "batch_size": 20, "steps": 7}
DIGITS = DATA_SETS["digits"].size
FORWARD = 2 * (64 * 10 + 2 * 100 + 10 * 10)
"""FLOP of one sample's way through a BN network of TILE."""


def test_flops_by_hand() -> None:
    found = cost(TILE)
    assert found.flops == pytest.approx(3 * FORWARD * 20 * 7 + 4 * FORWARD * DIGITS.test)
    assert found.launches == 23 * 3 * 7
    assert found.tiles == 1
    stacked = {**TILE, "depth": [3, 2], "seed": [0, 1, 2], "gamma": [1.0, 2.0]}
    assert cell_count(stacked) == 12
    both = found.flops + cost({**TILE, "depth": 2}).flops
    assert cost(stacked).flops == pytest.approx(6 * both)
    assert cost(stacked).launches == found.launches  # a stack's, not a network's


def test_a_residual_network_has_two_products_a_block_and_one_way_to_be_evaluated() -> None:
    found = cost({**TILE, "architecture": "resnet", "widths": "10"})
    forward = 2 * (64 * 10 + 6 * 100 + 10 * 10)
    assert found.flops == pytest.approx(3 * forward * 20 * 7 + 2 * forward * DIGITS.test)
    narrowed = cost({**TILE, "architecture": "resnet", "widths": "10/2@2"})
    assert narrowed.flops < found.flops


def test_float64_is_twice_the_arithmetic_and_the_traffic() -> None:
    single, double = cost(TILE), cost(TILE, item=8)
    assert double.flops == 2 * single.flops
    assert double.traffic == 2 * single.traffic
    assert double.launches == single.launches


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4, unique=True), st.integers(1, 4), st.booleans())
def test_it_is_the_sum_over_the_cells(depths: list[int], seeds: int, residual: bool) -> None:
    network = {"architecture": "resnet", "widths": "16"} if residual else {"width": 16}
    tile = normalise({"lr": 0.1, "steps": 5, "depth": depths, "seed": list(range(seeds)), **network})
    each = [family_of(tile).step_cost(cell, inputs=64, classes=10) for cell in cells(tile)]
    found = cost(tile)
    assert found.traffic / found.flops == pytest.approx(sum(c.traffic for c in each) / sum(c.flops for c in each))
    assert found.launches == 5 * max(one.launches for one in each)


def test_a_grid_costs_what_its_tiles_do() -> None:
    axes = {"batch_size": [8, 16], "gamma": [1.0, 2.0, 3.0], "width": [10, 20], "lr": [0.1, 0.2]}
    names = list(axes)
    tiles = [{**TILE, **dict(zip(names, point, strict=True))} for point in itertools.product(*axes.values())]
    one_by_one = sum(map(cost, tiles), Cost())
    found = grid_cost({name: value for name, value in TILE.items() if name not in axes}, axes)
    assert vars(found) == pytest.approx(vars(one_by_one))
    assert found.tiles == 24


def test_time_is_work_and_what_launches_add() -> None:
    rates = Rates(flops=1e9, bandwidth=1e9, launch=1e-5)
    work = Cost(flops=2e9, traffic=1e9)
    assert work.seconds("cpu", rates) == pytest.approx(3 * (1 + LAUNCH_SHARE))  # full chunks: the planner sees to that
    assert Cost(launches=1e6, tiles=2).seconds("cpu", rates) == pytest.approx(10 + 2 * SET_UP)
    assert (work + work).seconds("cpu", rates) == pytest.approx(2 * work.seconds("cpu", rates))


def test_what_a_layer_of_a_tile_holds() -> None:
    residual = normalise(
        {"architecture": "resnet", "widths": "64/2@4", "batch_size": 16, "depth": [2, 3], "lr": 1.0, "steps": 1}
    )
    assert layer_elements(residual) == 2 * 16 * 64
    picture = layer_elements({"architecture": "vgg19-bn", "batch_size": 2, "dataset": "cifar10"})
    assert picture == 2 * 64 * 32**2 > 2 * DATA_SETS["cifar10"].size.inputs


def test_durations_in_words() -> None:
    assert [duration(s) for s in (42, 200, 9000, 350_000)] == ["42 s", "3 min", "2.5 h", "4 days"]
