"""The level that separates what diverged: found by brute force, with its interval, and the right form told from the
printed one."""

from __future__ import annotations

import numpy as np
import pytest

from phasemap.sweeps.overlays.residual import ResidualTheory
from phasemap.sweeps.verdict import divergence_level as failing_corner
from phasemap.sweeps.verdict.divergence_level import divergence_levels, threshold
from phasemap.theory.residual.growth_laws.relu import leading_terms
from tests.sweeps.residual_maps import residual_map, trace_of


def test_the_threshold_is_the_best_of_all_levels() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        values = rng.integers(0, 12, size=40).astype(float)
        diverged = rng.random(40) < 1 / (1 + np.exp(6 - values))
        if diverged.all() or not diverged.any():
            continue
        low, high, wrong = threshold(values, diverged)
        inner = np.unique(values)
        levels = (inner[1:] + inner[:-1]) / 2
        brute = [int((diverged & (values < level)).sum() + (~diverged & (values > level)).sum()) for level in levels]
        assert wrong == min(brute)
        best = levels[np.array(brute) == wrong]
        assert low < best[0]
        assert high > best[-1]


def test_the_leading_term_is_that_of_the_sum_it_comes_from() -> None:
    """Σ W·m^(−V) up to l lies within W/(1−V) of W/(1−V)·l^(1−V), by the integral test."""
    layers = np.arange(3.0, 400)
    for v in (0.0, 0.3, 0.6):
        right, printed = leading_terms(np.full(layers.size, v), np.full(layers.size, 0.5), layers).values()
        total = 0.5 * np.cumsum(np.arange(1.0, 400) ** -v)[2:]
        known = np.isfinite(right)
        assert known.sum() > 300
        assert np.abs(right - total)[known].max() <= 0.5 / (1 - v)
        np.testing.assert_allclose(printed[known], 2 * v * right[known])
    for beyond in (1.0, 1.5):
        assert np.isnan(
            leading_terms(np.full(3, beyond), np.ones(3), np.array([5.0, 50.0, 500.0]))["W_r/(1−V_r)·l^(1−V_r)"]
        ).all()


def corner_at(level: float):
    return residual_map(lambda cell: 0.5, lambda cell: trace_of(cell).log_p[-1] > level)


def test_a_corner_along_a_contour_of_p_is_found_and_the_printed_form_does_not_trace_it() -> None:
    built = corner_at(9.0)
    q = ResidualTheory(built).quantities
    leading = ResidualTheory(built).leading_terms
    found = {one.name: one for one in divergence_levels(built, {**leading, "log p": q["log p"]})}
    p, right, printed = (found[name] for name in ("log p", *leading))
    assert p.low <= 9 <= p.high
    assert p.wrong == 0
    assert p.separation == 1
    assert right.wrong <= 3
    assert printed.wrong > 5 * max(right.wrong, 1)
    assert printed.separation < right.separation
    assert {one.networks for one in found.values()} == {int(np.isfinite(leading[right.name]).sum()) * 3}


def test_without_both_kinds_there_is_no_level() -> None:
    for level in (1e9, -1e9):
        built = corner_at(level)
        assert divergence_levels(built, ResidualTheory(built).leading_terms) == []
    built = corner_at(9.0)
    assert divergence_levels(built, {}) == []


def test_seeds_that_disagree_are_counted_each() -> None:
    built = residual_map(lambda cell: 0.5, lambda cell: trace_of(cell).log_p[-1] > 8 + cell["seed"])
    found = divergence_levels(built, {"log p": ResidualTheory(built).quantities["log p"]})[0]
    assert 8 <= found.level <= 10
    assert found.wrong > 0


def test_the_interval_covers_the_true_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divergence at random with odds that are even at C: 24 maps, 95 % intervals; P(at most 18 cover) = 0.1 %."""
    monkeypatch.setattr(failing_corner, "DRAWS", 100)
    rng = np.random.default_rng(11)
    covered = 0
    built = corner_at(9.0)
    p = ResidualTheory(built).quantities["log p"]
    for _ in range(24):
        drawn = rng.random(built["outcome"].shape) < 1 / (1 + np.exp((9.0 - p[..., None]) / 0.7))
        one = built.assign(outcome=(built["outcome"].dims, np.where(drawn, "diverged", "finished")))
        found = divergence_levels(one, {"log p": p})[0]
        covered += found.low <= 9.0 <= found.high
    assert covered > 18
