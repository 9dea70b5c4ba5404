"""κ along the slope, on maps whose accuracy falls by a known curve; how often its intervals cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phasemap.sweeps.phase_map.accuracies import seed_means
from phasemap.sweeps.verdict.depth_scale import assess
from phasemap.sweeps.verdict.frontier import HALF, INSIDE, crossings, find, threshold_of
from phasemap.sweeps.verdict.judgement import judge
from phasemap.sweeps.verdict.kappa_by_share import SHARES, contours
from phasemap.sweeps.verdict.kappa_interval import kappa_interval
from tests.sweeps.synthetic import CHANCE, a_map, a_prediction, a_theory

SIZES = (6, 8, 12, 16, 32, 64)
WIDTH = 4.0
"""Of the synthetic maps' logistic fall, in layers."""


def test_the_crossing_lies_where_the_curve_has_that_share() -> None:
    built = a_map((64,), frontier=lambda cell: 30.0)
    for share in SHARES:
        # the logistic has the share p at frontier + width·ln(1/p − 1); a line between depths h = 5 apart is off by at
        # most |f''|·h²/8, and |f''| ≤ |f'|/width
        expected = 30 + WIDTH * np.log(1 / share - 1)
        assert find(built, share=share).depth[0] == pytest.approx(expected, abs=5**2 / 8 / WIDTH)
    assert find(built, share=HALF).depth[0] == find(built).depth[0]
    thresholds = [float(threshold_of(np.array([[0.9]]), 0.1, share)) for share in SHARES]
    assert thresholds == pytest.approx([0.82, 0.5, 0.3, 0.18])


def test_kappa_of_each_share_and_the_default_is_one_half() -> None:
    def xi(size: float) -> float:
        return 0.1 * size + 1

    built = a_map(SIZES, frontier=lambda cell: 8 * xi(cell["batch_size"]), depth=list(range(2, 100, 2)))
    found = {one.share: one for one in contours(built, a_prediction(built, xi))}
    for share in SHARES:
        ratios = [8 + WIDTH * np.log(1 / share - 1) / xi(size) for size in SIZES]
        kappa, interval = found[share].kappa, found[share].interval
        assert kappa == pytest.approx(float(np.exp(np.mean(np.log(ratios)))), rel=0.03)
        assert interval is not None
        assert interval.low <= kappa <= interval.high
        assert (found[share].used, found[share].shallower, found[share].deeper) == (6, 0, 0)
    half = assess(built, prediction=a_prediction(built, xi))
    assert (found[HALF].kappa, found[HALF].interval) == (pytest.approx(half.kappa), half.interval)


def test_censored_and_missing_columns_are_counted_by_share() -> None:
    # at 57, of a grid to 60, half of the lead is inside and a tenth is not
    built = a_map((8, 16, 32), frontier=lambda cell: {8: 20.0, 16: 57.0, 32: 5.0}[cell["batch_size"]])
    found = {one.share: one for one in contours(built, a_prediction(built, lambda size: 2.0))}
    assert (found[0.9].used, found[0.9].shallower, found[0.9].deeper) == (2, 1, 0)
    assert (found[0.1].used, found[0.1].shallower, found[0.1].deeper) == (2, 0, 1)
    alone = contours(built, a_prediction(built, lambda size: 2.0 if size == 16 else np.nan))
    assert [(one.used, one.deeper, one.interval) for one in alone if one.share < 0.2] == [(0, 1, None)]
    assert alone[-1].kappa is None


def test_each_side_of_a_critical_point_has_its_own() -> None:
    built = a_map(SIZES)
    prediction = replace(a_prediction(built, lambda size: 2.0), regime=("exploding",) * 4 + ("vanishing",) * 2)
    found = contours(built, prediction)
    assert [(one.side, one.used) for one in found] == [("exploding", 4)] * 4 + [("vanishing", 2)] * 4
    depth = find(built, share=0.9).depth
    assert found[4].kappa == pytest.approx(np.sqrt(depth[4] * depth[5]) / 2)


def test_a_judgement_has_test_and_training_accuracy_evaluated_alike() -> None:
    built = a_map(SIZES)
    theory = a_theory(built, lambda size: 2.0 + size / 1000)
    assert {one.metric for one in judge(built, theory=theory).contours} == {"test_accuracy", "train_accuracy"}
    batch = judge(built, "train_accuracy_batch", theory)
    assert {one.metric for one in batch.contours} == {"test_accuracy_batch", "train_accuracy_batch"}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.9, 0.25, 0.1])
def test_the_interval_covers_at_every_share(share: float) -> None:
    """As at one half (test_depth_scale): the nominal rate, 95 %, has a binomial standard deviation of 1 % in 500 maps.

    The fall is stretched with the frontier, so that frontier/ξ at a share p is κ·(1 + w·ln(1/p − 1)) in every column.
    """
    rng = np.random.default_rng(11)
    inside = np.mean([_covered(rng, share) for _ in range(500)])
    assert 0.92 <= inside <= 0.99


def _covered(rng: np.random.Generator, share: float) -> bool:
    seeds, n = int(rng.integers(2, 6)), int(rng.integers(5, 12))
    depths, kappa, width = np.arange(3.0, 101.0, 3.0), rng.uniform(8, 20), rng.uniform(0.08, 0.15)
    true = np.exp(rng.uniform(np.log(18), np.log(60), n))
    scattered = true * np.exp(0.05 * rng.standard_normal(n))
    clean = CHANCE + 0.8 / (1 + np.exp((depths[:, None, None] / scattered[:, None] - 1) / width))
    accuracy = np.clip(clean + 0.02 * rng.standard_normal((depths.size, n, seeds)), 0, 1)
    mean, count = seed_means(accuracy)
    depth, code = crossings(depths, mean[None], count[None], threshold_of(mean[None], CHANCE, share))
    used = code[0] == INSIDE
    log_kappa = float(np.log(depth[0][used] / (true / kappa)[used]).mean())
    interval = kappa_interval(depths, accuracy, true / kappa, used, CHANCE, log_kappa, share=share)
    assert interval is not None
    return interval.low <= kappa * (1 + width * np.log(1 / share - 1)) <= interval.high
