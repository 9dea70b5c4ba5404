"""The explosion rate of a sequence of gradient norms: the interval covers, whatever correlates the layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import signal, stats

from phasemap.train.probe.rate import FEWEST, LEVEL, Rate, explosion_rate, long_run_variance
from phasemap.train.probe.theories.stretch import trimmed

DRAWS = 1000


@pytest.mark.parametrize(
    ("numerator", "denominator"), [([1.0], [1.0]), ([1.0, 0.4], [1.0]), ([1.0, -0.4], [1.0]), ([1.0], [1.0, -0.4])]
)
def test_the_interval_covers_correlated_steps(numerator: list[float], denominator: list[float]) -> None:
    """White, moving average (as from a gradient norm with noise of its own: the −0.4), autoregressive; 100 steps.

    Positive correlation costs some coverage at 80 steps, as for every such estimator: 0.93 is asked for, not 0.95.
    """
    noise = np.random.default_rng(0).standard_normal((DRAWS, 200))
    steps = 0.4 + 0.02 * signal.lfilter(numerator, denominator, noise)[:, 100:]
    covered = 0
    for row in steps:
        rate = explosion_rate(row)
        assert rate is not None
        assert rate.interval() is not None
        low, high = rate.interval()  # type: ignore[misc]
        covered += low <= 0.4 <= high
    asked = 0.93 if len(denominator) > 1 or numerator[-1] == 0.4 else LEVEL
    assert stats.binom.cdf(covered, DRAWS, asked) > 1e-3
    assert stats.binom.sf(covered - 1, DRAWS, 0.985) > 1e-3  # and is not merely wide


def test_a_regression_on_the_layer_would_not_cover() -> None:
    """Why the rate is a mean of steps: least squares of the walk itself claims a precision that it has not."""
    steps = 0.4 + 0.02 * np.random.default_rng(1).standard_normal((300, 100))
    walk = np.cumsum(steps, axis=1)
    layer = np.arange(100)
    covered = 0
    for row in walk:
        fit = stats.linregress(layer, row)
        covered += abs(fit.slope - 0.4) < stats.t.ppf(0.975, 98) * fit.stderr
    assert covered < 0.5 * 300


def test_long_run_variance_of_an_autoregression() -> None:
    """σ²/(1 − φ)², from the definition as a sum over lags."""
    noise = np.random.default_rng(2).standard_normal((400, 2000))
    rows = signal.lfilter([1.0], [1.0, -0.5], noise)[:, 1000:]
    found = np.mean([long_run_variance(row, 30) for row in rows])
    assert found == pytest.approx(4.0, rel=5 * math.sqrt(2 / 30 / 400) + 0.02)


def test_the_ends_do_not_count() -> None:
    steps = np.full(100, 0.3)
    steps[:10], steps[90:] = 5.0, -7.0
    rate = explosion_rate(steps)
    assert rate is not None
    assert rate.log_rate == pytest.approx(0.3, abs=1e-14)
    assert rate.steps == 80
    assert [trimmed(n).indices(n)[:2] for n in (1, 2, 3, 18, 100)] == [(0, 1), (0, 2), (1, 2), (1, 17), (10, 90)]


def test_few_steps_zeros_and_overflows_give_no_number() -> None:
    assert explosion_rate(np.array([0.1])) is None
    assert explosion_rate(np.array([0.1, math.nan, 0.2, 0.1])) is None
    assert explosion_rate(np.array([0.1, math.inf, 0.2, 0.1])) is None
    rate = explosion_rate(np.full(FEWEST + 1, 0.1))
    assert rate is not None
    assert rate.interval() is None
    assert rate.regime == "undecided"


def test_depth_scale_and_its_interval() -> None:
    rate = Rate(0.4, 0.1, 80, 7)
    assert rate.depth_scale.xi == pytest.approx(2.5)
    assert rate.depth_scale_interval() == pytest.approx((2.0, 1 / 0.3))
    assert rate.regime == "exploding"
    assert Rate(-0.4, 0.1, 80, 7).depth_scale_interval() == pytest.approx((2.0, 1 / 0.3))
    assert Rate(-0.4, 0.1, 80, 7).regime == "vanishing"
    critical = Rate(0.05, 0.1, 80, 7)
    assert critical.depth_scale_interval() == (pytest.approx(1 / 0.15), math.inf)
    assert critical.regime == "undecided"
    wide = Rate(0.4, 0.1, 80, 7, allowance=0.05)
    assert wide.interval() == pytest.approx((0.25, 0.55))
    assert wide.interval(0.0) == pytest.approx((0.3, 0.5))


def test_a_predicted_trend_is_no_scatter() -> None:
    rng = np.random.default_rng(3)
    predicted = 1 / np.arange(1.0, 101)
    steps = predicted + 0.001 * rng.standard_normal(100)
    beside, alone = explosion_rate(steps, predicted=predicted), explosion_rate(steps)
    assert beside is not None
    assert alone is not None
    assert beside.log_rate == alone.log_rate
    assert beside.half_width is not None
    assert alone.half_width is not None
    assert beside.half_width < 0.1 * alone.half_width
