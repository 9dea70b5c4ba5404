"""Out-of-fold R²: one for the quantity that decides, small for one that does not, negative for one that misleads."""

from __future__ import annotations

import numpy as np
import pytest

from phasemap.sweeps.verdict.ranking import rank
from tests.sweeps.synthetic import a_map, a_theory

SIZES = (6, 8, 12, 16, 32, 64)


def xi(batch_size: float) -> float:
    return 3.5 * (1 - 5 / batch_size)


def collapsing(noise: float = 0.0):
    """Accuracy is a function of depth/ξ, but for the logistic's width in layers."""
    return a_map(SIZES, frontier=lambda cell: 14 * xi(cell["batch_size"]), noise=noise)


def grid(built, values):
    return np.broadcast_to(values, built["test_accuracy"].shape[:2]).astype(float)


def test_the_quantity_that_decides_ranks_first_and_its_direction_is_told() -> None:
    built = collapsing(noise=0.02)
    ranked = rank(built, a_theory(built, xi).quantities)
    assert [one.name for one in ranked] == ["depth/ξ", "depth alone", "batch_size alone"]
    assert [one.baseline for one in ranked] == [False, True, True]
    assert [one.direction for one in ranked] == ["falls", "falls", "rises"]
    first = ranked[0]
    assert first.columns is not None
    assert first.depths is not None
    assert first.columns.r2 > 0.95
    assert first.depths.r2 > 0.85
    assert first.columns.low <= first.columns.r2 <= first.columns.high
    assert first.cells == 12 * 6


def test_only_the_order_of_the_values_matters() -> None:
    built = collapsing(noise=0.02)
    quantity = a_theory(built, xi).quantities["depth/ξ"]
    one, other = (rank(built, {"q": q})[0] for q in (quantity, np.exp(-quantity)))
    assert one.columns == other.columns
    assert (one.direction, other.direction) == ("falls", "rises")


def test_a_score_is_the_definition_done_by_hand() -> None:
    built = a_map((8, 16, 32), frontier=lambda cell: 30.0 + cell["batch_size"], depth=[10, 30, 50, 70])
    mean = built["test_accuracy"].mean("seed").values
    missed = spread = 0.0
    for j in range(3):
        rest = np.delete(mean, j, axis=1)
        # depth alone: over the two other columns the fit is their mean, which falls with depth already
        missed += np.sum((mean[:, j] - rest.mean(axis=1)) ** 2)
        spread += np.sum((mean[:, j] - rest.mean()) ** 2)
    depth = next(one for one in rank(built, {}) if one.name == "depth alone")
    assert depth.columns is not None
    assert depth.columns.r2 == pytest.approx(1 - missed / spread, rel=1e-9)


def test_what_misleads_scores_below_zero_out_of_fold() -> None:
    built = collapsing()
    random = np.random.default_rng(3).random(built["test_accuracy"].shape[:2])
    score = next(one for one in rank(built, {"noise": random}) if one.name == "noise").columns
    assert score is not None
    assert score.r2 < 0.2


def test_cells_without_a_value_are_left_out_for_all_and_few_blocks_give_no_score() -> None:
    built = collapsing()
    quantity = a_theory(built, lambda size: np.nan if size < 10 else xi(size)).quantities
    assert {one.cells for one in rank(built, quantity)} == {12 * 4}
    two = a_map((8, 16))
    assert all(one.columns is None and one.depths is not None for one in rank(two, {}))
    region = grid(built, built["batch_size"].values > 10) > 0
    assert {one.cells for one in rank(built, {}, region=region)} == {12 * 4}


def test_no_prediction_no_quantity() -> None:
    assert a_theory(collapsing(), lambda size: np.nan).quantities == {}


def test_the_lead_of_one_quantity_is_judged_on_the_same_blocks() -> None:
    built = collapsing(noise=0.02)
    quantity = a_theory(built, xi).quantities
    by_name = {one.name: one.depths for one in rank(built, quantity)}
    first, second = by_name["depth/ξ"], by_name["depth alone"]
    assert first is not None
    assert second is not None
    low, high = first.lead(second)
    assert 0 < low <= first.r2 - second.r2 <= high
    assert first.lead(first) == (0, 0)
    # draws shared by both tell apart what the two intervals by themselves may not
    assert high - low < (first.high - first.low) + (second.high - second.low)
    assert second.lead(first) == pytest.approx((-high, -low))
