"""κ, ρ, spread and the sentence on maps whose answer is known; the interval's coverage on a thousand maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.phase_map.accuracies import seed_means
from phasemap.sweeps.verdict.depth_scale import Agreement, assess
from phasemap.sweeps.verdict.frontier import INSIDE, crossings, threshold_of
from phasemap.sweeps.verdict.kappa_interval import held_out_best, kappa_interval
from tests.sweeps.synthetic import CHANCE, a_map, a_prediction, results

SIZES = (6, 8, 12, 16, 32, 64)


def xi(batch_size: float) -> float:
    return 2.5 * (1 - 3 / batch_size)


def judged(built: xr.Dataset, scale: Any = xi, metric: str = "test_accuracy") -> Agreement:
    return assess(built, metric, prediction=a_prediction(built, scale))


def test_kappa_is_the_ratio_that_was_put_in() -> None:
    agreement = judged(a_map(SIZES, frontier=lambda cell: 15.2 * xi(cell["batch_size"])))
    # frontiers lie within half a layer of the true ones (test_frontier), so each ratio within about 2 %
    assert agreement.kappa == pytest.approx(15.2, rel=0.02)
    assert agreement.interval is not None
    assert agreement.interval.low <= 15.2 <= agreement.interval.high
    assert agreement.rho == 1.0
    assert agreement.used == len(SIZES)
    assert agreement.spread is not None
    assert agreement.spread < 0.05


def test_kappa_is_the_geometric_mean_over_the_used_columns() -> None:
    agreement = judged(a_map(SIZES))
    used = agreement.frontier.depth / np.array([xi(size) for size in SIZES])
    assert agreement.kappa == pytest.approx(float(np.exp(np.mean(np.log(used)))), rel=1e-12)
    np.testing.assert_allclose(agreement.ratio, used)
    assert agreement.spread == pytest.approx(float(np.std(np.log(used), ddof=1)))
    ends = dict.fromkeys(f"{end:.1f}" for end in (used.min(), used.max()))
    assert f"at {' to '.join(ends)} ξ." in agreement.verdict


def test_censored_columns_are_left_out_of_kappa_and_tied_in_rho() -> None:
    deep = {6: 20.0, 8: 30.0, 12: 40.0, 16: 200.0, 32: 300.0, 64: -50.0}
    agreement = judged(a_map(SIZES, frontier=lambda cell: deep[cell["batch_size"]]), lambda size: size)
    assert (agreement.used, agreement.censored_right, agreement.censored_left) == (3, 2, 1)
    assert np.isnan(agreement.ratio[3:]).all()
    # ranks: the left-censored lowest, the two right-censored share the highest; ξ rises with the batch size
    expected = np.corrcoef([2, 3, 4, 5.5, 5.5, 1], [1, 2, 3, 4, 5, 6])[0, 1]
    assert agreement.rho == pytest.approx(expected, rel=1e-12)


def test_the_swept_parameter_has_a_rho_of_its_own_over_the_same_columns() -> None:
    rising = judged(a_map(SIZES))
    assert (rising.rho, rising.rho_of_axis) == (1.0, 1.0)
    assert "(Spearman ρ = 1.00; 1.00 of the swept parameter itself)" in rising.verdict
    falling = judged(a_map(SIZES, frontier=lambda cell: 60 - 0.5 * cell["batch_size"]), lambda size: 1 / size)
    assert (falling.rho, falling.rho_of_axis) == (1.0, -1.0)
    deep = {6: 20.0, 8: 30.0, 12: 40.0, 16: 200.0, 32: 300.0, 64: -50.0}
    built = a_map(SIZES, frontier=lambda cell: deep[cell["batch_size"]])
    without = judged(built, lambda size: np.nan if size == 64 else 1 / size)
    assert without.rho_of_axis == pytest.approx(np.corrcoef([1, 2, 3, 4.5, 4.5], [1, 2, 3, 4, 5])[0, 1], rel=1e-12)


def test_columns_without_a_prediction_or_at_a_critical_point_are_left_out_and_counted() -> None:
    agreement = judged(a_map(SIZES), lambda size: {6: np.nan, 8: np.inf}.get(size, xi(size)))
    assert (agreement.used, agreement.unpredicted) == (4, 1)
    assert any("critical" in note for note in agreement.notes)
    assert agreement.rho is not None
    assert agreement.rho < 1  # an infinite ξ ranks highest, and the frontier there is not the deepest


def test_what_does_not_exist_is_none_with_a_reason() -> None:
    one = judged(a_map((16,)))
    assert one.kappa is not None
    assert (one.interval, one.spread, one.rho) == (None, None, None)
    assert len(one.notes) == 2
    flat = judged(a_map(SIZES), lambda size: 2.0)
    assert flat.rho is None
    assert any("same in every column" in note for note in flat.notes)


@pytest.mark.parametrize(
    ("frontier", "scale", "said"),
    [
        (lambda cell: 16 * xi(cell["batch_size"]), xi, "the paper says 16, within the interval"),
        (lambda cell: 12 * xi(cell["batch_size"]), xi, "16, above the interval"),
        (lambda cell: 22 * xi(cell["batch_size"]), xi, "16, below the interval"),
        (lambda cell: 40.0 - 0.3 * cell["batch_size"], xi, "runs against"),
        (lambda cell: 500.0, xi, "Every column trains"),
        (lambda cell: -500.0, xi, "Nothing trains"),
        (lambda cell: 30.0, lambda size: np.nan, "makes no prediction here: no fixed point"),
    ],
)
def test_the_verdict_says_it_in_words(frontier: Any, scale: Any, said: str) -> None:
    assert said in judged(a_map(SIZES, frontier=frontier, noise=0.01), scale).verdict


def test_nothing_run_is_no_verdict_on_the_theory() -> None:
    _, expected = results(SIZES)
    empty = phase_map.build([], expected, {})
    assert assess(empty, prediction=a_prediction(empty, xi)).verdict == "No cell of this map was run yet."


def test_the_seeds_that_choose_the_best_cell_do_not_score_it() -> None:
    rng = np.random.default_rng(0)
    plateau = 0.8 + 0.05 * rng.standard_normal((400, 20, 5, 3))
    literal = [float(seed_means(one)[0].max()) for one in plateau]
    held_out = [held_out_best(one)[0] for one in plateau]
    # the largest of 100 means of 3 lies about 2.5 standard errors (.05/sqrt(3)) above .8
    assert np.mean(literal) == pytest.approx(0.8 + 2.5 * 0.05 / np.sqrt(3), abs=0.01)
    # the mean of 400 held-out scores, each of standard deviation .05/sqrt(3): four standard errors
    assert np.mean(held_out) == pytest.approx(0.8, abs=4 * 0.05 / np.sqrt(3 * 400))
    variance = float(np.mean([held_out_best(one)[1] for one in plateau]))
    # pooled over the ten or so best cells, 20 degrees of freedom, and 400 maps: four times sqrt(2/(20·400))
    assert variance == pytest.approx(0.05**2 / 3, rel=4 * np.sqrt(2 / (20 * 400)))


def test_one_seed_says_what_its_interval_leaves_out() -> None:
    agreement = judged(a_map(SIZES, noise=0.02))
    assert not any("one seed" in note for note in agreement.notes)
    alone = judged(a_map(SIZES, noise=0.02).isel(seed=[0]))
    assert alone.interval is not None
    assert any("one seed" in note for note in alone.notes)


@pytest.mark.slow
def test_kappa_lies_in_its_interval_in_about_950_of_1000_maps() -> None:
    """Known frontiers, noise over 2 to 5 seeds, columns scattered by up to 10 %, up to two deeper than the grid.

    The nominal rate, 95 %, has a binomial standard deviation of 7 in 1000: 930 to 970 is just under three of them.
    """
    rng = np.random.default_rng(7)
    inside = sum(_covered(rng, noise=0.03, columns=float(rng.uniform(0, 0.1))) for _ in range(1000))
    assert 930 <= inside <= 970


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "columns"), [(0.08, 0.0), (0.03, 0.0), (0.02, 0.2)])
def test_the_interval_stays_honest_at_the_extremes(noise: float, columns: float) -> None:
    """Only noisy seeds, or widely scattered columns. Without scatter the interval is somewhat wide (what seeds do to
    all columns alike is estimated from few seeds and never negative); it must not be narrow."""
    rng = np.random.default_rng(8)
    inside = sum(_covered(rng, noise=noise, columns=columns) for _ in range(500))
    assert inside >= 0.92 * 500
    assert inside <= 0.99 * 500


def _covered(rng: np.random.Generator, noise: float, columns: float) -> bool:
    """One synthetic map: whether the true κ lies in the interval."""
    seeds, n, beyond = int(rng.integers(2, 6)), int(rng.integers(5, 12)), int(rng.integers(0, 3))
    depths = np.arange(5.0, 71.0, 5.0) if rng.random() < 0.5 else np.arange(4.0, 71.0, 3.0)
    kappa = rng.uniform(8, 20)
    true = np.concatenate([rng.uniform(80, 150, beyond), np.exp(rng.uniform(np.log(9), np.log(62), n - beyond))])
    scattered = true * np.exp(columns * rng.standard_normal(n))
    best, width = rng.uniform(0.7, 0.97), rng.uniform(1.5, 5)
    clean = CHANCE + (best - CHANCE) / (1 + np.exp((depths[:, None, None] - scattered[:, None]) / width))
    accuracy = np.clip(clean + noise * rng.standard_normal((depths.size, n, seeds)), 0, 1)
    mean, count = seed_means(accuracy)
    depth, code = crossings(depths, mean[None], count[None], threshold_of(mean[None], CHANCE))
    used = code[0] == INSIDE
    log_kappa = float(np.log(depth[0][used] / (true / kappa)[used]).mean())
    interval = kappa_interval(depths, accuracy, true / kappa, used, CHANCE, log_kappa)
    assert interval is not None
    return interval.low <= kappa <= interval.high
