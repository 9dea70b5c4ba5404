"""Correlation of two maps beside that of two repeats of one."""

from __future__ import annotations

import numpy as np
import pytest

from phasemap.sweeps.commands import compare as comparing
from phasemap.sweeps.comparison.cell_correlation import likeness
from tests.sweeps.residual_maps import residual_map
from tests.sweeps.synthetic import a_map

SIZES = (6, 8, 12, 16, 32, 64)


def noisy(repeat: int, noise: float = 0.1, **options):
    """A gentle slope under strong noise that stays off the ends of the scale."""
    return a_map(SIZES, frontier=lambda cell: 35.0 + cell["batch_size"] / 8, noise=noise, rng_seed=repeat, **options)


def test_two_repeats_of_one_map_are_as_alike_as_the_ceiling_says() -> None:
    found = [likeness(noisy(2 * i, 0.05), noisy(2 * i + 1, 0.05, seed=[3, 4, 5])) for i in range(6)]
    assert all(found)
    r = np.mean([one.r for one in found if one])
    ceiling = np.mean([one.ceiling for one in found if one])
    apart = np.mean([one.apart for one in found if one])
    noise = np.mean([one.noise for one in found if one])
    assert r == pytest.approx(ceiling, abs=0.01)
    assert apart == pytest.approx(noise, rel=0.1)
    # three seeds a map, each map with variance 0.05²/3; a little is clipped at 0
    assert noise == pytest.approx(0.05 * np.sqrt(2 / 3), rel=0.15)


def test_maps_that_differ_fall_short_of_it() -> None:
    other = a_map(SIZES, frontier=lambda cell: 10.0 + cell["batch_size"], noise=0.01, seed=[3, 4, 5])
    found = likeness(noisy(0, 0.01), other)
    assert found is not None
    assert found.ceiling is not None
    assert found.noise is not None
    assert found.interval is not None
    low, high = found.interval
    assert low <= found.r <= high < found.ceiling
    assert found.apart > 5 * found.noise
    assert f"{found.r:.3f}" in found.sentence


def test_few_columns_have_no_interval() -> None:
    """Resampled, two columns are often twice the same one."""
    few = likeness(noisy(0).isel(batch_size=[0, 1]), noisy(1).isel(batch_size=[0, 1]))
    assert few is not None
    assert few.interval is None
    assert "interval" not in few.sentence


def test_the_same_seeds_are_compared_one_by_one() -> None:
    """What both maps owe to a seed cancels: the difference has no noise, though each map has much."""
    one = noisy(0, 0.05)
    found = likeness(one, one.assign(test_accuracy=one["test_accuracy"] * 0.9))
    assert found is not None
    assert found.noise is not None
    assert found.ceiling is None
    assert found.r == pytest.approx(1)
    assert found.noise < 0.1 * 0.05
    apart = likeness(noisy(0, 0.05), noisy(1, 0.05))
    assert apart is not None
    assert apart.noise == pytest.approx(0.05 * np.sqrt(2 / 3), rel=0.2)
    assert apart.noise == pytest.approx(apart.apart, rel=0.25)


def test_one_seed_has_no_ceiling_and_a_constant_map_no_correlation() -> None:
    single = likeness(noisy(0, seed=[0]), noisy(1, seed=[0]))
    assert single is not None
    assert single.ceiling is None
    assert "repeats" not in single.sentence
    assert likeness(noisy(0), a_map(SIZES, frontier=lambda cell: -500.0)) is None


def test_residual_maps_are_compared_without_a_frontier(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = {name: residual_map(lambda cell, f=f: f * cell["depth"] / 100) for name, f in (("a", 1.0), ("b", 0.9))}
    monkeypatch.setattr("phasemap.sweeps.sources.open_map.open_map", lambda sources, view: maps[sources[0]])
    words = comparing.run("a", "b")
    assert "Correlation of the maps, cell by cell: 1.000" in words
    assert "frontier" not in words
