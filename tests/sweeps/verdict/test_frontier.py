"""The frontier against known ones, and against the definition; censoring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.verdict import frontier
from phasemap.theory.errors import InputError
from tests.sweeps.synthetic import a_map, accuracy, results


def test_a_straight_descent_is_crossed_exactly_halfway() -> None:
    # .9, .9, .5 + .1, .5 - .3: the crossing of (.1 + .9)/2 = .5 between the last two, a quarter of the way
    mean = np.array([[0.9], [0.9], [0.6], [0.2]])
    depth, code = frontier.crossings(np.array([10.0, 20, 30, 40]), mean, np.full((4, 1), 3), np.array(0.5))
    assert (depth[0], code[0]) == (pytest.approx(32.5), frontier.INSIDE)


def test_the_known_frontier_is_found() -> None:
    found = frontier.find(a_map())
    # the curve is the logistic itself at the grid's depths: linear interpolation between depths 5 apart, width 4, is
    # off by at most max |f''| h^2/8 / |f'| = 0.096·(0.8/16)·25/8 / (0.8·0.18/4) layers on the steepest stretch
    bound = 0.0962 / 16 * 25 / 8 / (0.18 / 4)
    for batch_size, depth, censored in zip((6, 8, 12, 16, 32, 64), found.depth, found.censored, strict=True):
        assert censored == ""
        assert depth == pytest.approx(40 * (1 - 3 / batch_size), abs=bound + 0.2)  # 0.2: best is just below .9


def test_never_and_always_crossing_columns_are_censored_and_empty_ones_missing() -> None:
    contents, expected = results(
        (8, 16, 32, 64), frontier=lambda cell: {8: -40.0, 16: 30.0, 32: 200.0, 64: 0.0}[cell["batch_size"]]
    )
    found = frontier.find(phase_map.build(contents[:3], expected, {}))
    assert found.censored == ("left", "", "right", "missing")
    assert np.isnan(found.depth[[0, 2, 3]]).all()


def test_diverged_and_dead_count_as_chance_and_missing_is_left_out() -> None:
    flat = results((16, 32), frontier=lambda cell: 500.0)
    assert frontier.find(phase_map.build(*flat, {})).censored == ("right", "right")
    for outcome in ("diverged", "dead"):
        failing = a_map(
            (16, 32),
            frontier=lambda cell: 500.0,
            outcome=lambda cell, o=outcome: o if cell["depth"] > 40 else "finished",
        )
        # straight line from .9 at 40 to .1 at 45
        np.testing.assert_allclose(frontier.find(failing).depth, 42.5, atol=1e-9)
    contents, expected = flat
    shallow = [{**c, "cells": [cell for cell in c["cells"] if cell["parameters"]["depth"] <= 40]} for c in contents]
    assert frontier.find(phase_map.build(shallow, expected, {})).censored == ("right", "right")


def test_a_seed_that_diverged_pulls_the_mean_down_by_its_share() -> None:
    built = a_map((16,), outcome=lambda cell: "diverged" if cell["seed"] == 0 and cell["depth"] == 5 else "finished")
    mean, count = frontier.seed_means(frontier.accuracies(built))
    assert mean[0, 0] == pytest.approx((0.1 + 2 * accuracy(5, 40 * (1 - 3 / 16))) / 3)
    assert (count == 3).all()


def test_where_nothing_trains_there_is_no_frontier() -> None:
    built = a_map((16, 32), frontier=lambda cell: -400.0, noise=0.01)
    assert frontier.find(built).censored == ("left", "left")
    assert np.isnan(frontier.find(built).threshold)


def test_only_accuracy_over_depth_has_a_frontier() -> None:
    with pytest.raises(InputError, match="test_loss"):
        frontier.find(a_map(), "test_loss")
    with pytest.raises(InputError, match="batch_size"):
        frontier.find(phase_map.build(*results(), {"x_axis": "depth", "y_axis": "batch_size"}))


def fitted_crossing(depths: np.ndarray, mean: np.ndarray, count: np.ndarray, threshold: float) -> tuple[float, int]:
    """What a frontier is, by its definition: scikit-learn's antitone regression, then where it crosses."""
    run = count > 0
    if not run.any():
        return np.nan, frontier.MISSING
    depth = depths[run]
    fitted = isotonic_regression(mean[run], sample_weight=count[run].astype(float), increasing=False)
    above = fitted >= threshold
    if not above.any():
        return np.nan, frontier.LEFT
    if above.all():
        return np.nan, frontier.RIGHT
    i = int(above.sum()) - 1
    fraction = (fitted[i] - threshold) / (fitted[i] - fitted[i + 1])
    return float(depth[i] + fraction * (depth[i + 1] - depth[i])), frontier.INSIDE


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14))
def test_the_crossing_equals_the_one_of_the_fitted_curve(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    depths = np.cumsum(rng.uniform(1, 9, size))
    count = rng.integers(0, 4, (size, 3))
    mean = np.where(count > 0, np.linspace(0.9, 0.1, size)[:, None] + rng.normal(0, 0.3, (size, 3)), np.nan)
    threshold = np.array([0.5])
    depth, code = frontier.crossings(depths, mean[None], count[None], threshold)
    for i in range(3):
        one, expected = fitted_crossing(depths, mean[:, i], count[:, i], 0.5)
        assert code[0, i] == expected
        np.testing.assert_allclose(depth[0, i], one, rtol=1e-9)
