"""What is left of the accuracy on the theory's line, on maps whose accuracy is a known function of depth/ξ."""

from __future__ import annotations

import numpy as np
import pytest

from phasemap.sweeps.verdict.accuracy_on_line import left_at_line
from phasemap.sweeps.verdict.claims.depth_scale import rows
from phasemap.sweeps.verdict.judgement import judge
from tests.sweeps.synthetic import CHANCE, a_map, a_prediction, a_theory, accuracy


def xi(batch_size: float) -> float:
    return 4 * (1 - 3 / batch_size)


def test_what_is_left_is_that_of_the_known_curve() -> None:
    """Between two depths 5 apart the accuracy, logistic with a width of 4 layers, is off a straight line by at most
    25/8 of its greatest curvature, 0.096·0.8/16."""
    built = a_map(frontier=lambda cell: 10 * xi(cell["batch_size"]))
    prediction = a_prediction(built, xi, factor=12.0)
    left = left_at_line(built, prediction)
    best = float(built["test_accuracy"].max())
    for found, size in zip(left, built["batch_size"].values, strict=True):
        exact = (accuracy(12 * xi(size), 10 * xi(size)) - CHANCE) / (best - CHANCE)
        assert found == pytest.approx(exact, abs=25 / 8 * 0.0962 / 16 * 0.8 / (best - CHANCE))


def test_a_line_outside_the_map_leaves_nothing_to_say() -> None:
    built = a_map(frontier=lambda cell: 10 * xi(cell["batch_size"]))
    assert np.isnan(left_at_line(built, a_prediction(built, xi, factor=100.0))).all()
    dead = a_map(frontier=lambda cell: -100.0)
    assert np.isnan(left_at_line(dead, a_prediction(dead, xi, factor=12.0))).all()


def test_the_row_of_the_report_says_it() -> None:
    built = a_map(frontier=lambda cell: 10 * xi(cell["batch_size"]))
    theory = a_theory(built, xi, factor=12.0)
    judged = judge(built, theory=theory)
    left = left_at_line(built, theory.prediction)
    row = next(row for row in rows(built, judged) if "the line 12 ξ" in row.sentence)
    assert f"at 12 ξ, {left.mean():.0%} of it (" in row.measured
