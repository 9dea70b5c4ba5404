"""Two maps with a known shift; a map against the right and the wrong theory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps import comparing
from sweeps.compare import against_theory, compare
from sweeps.figures.difference import draw
from sweeps.frontier import find
from sweeps.likeness import likeness
from theory.activations import activation
from theory.batchnorm import depth_scale
from theory.errors import InputError

from .synthetic import a_map

SIZES = (8, 12, 16, 32, 64)


def shifted(factor: float, **options: Any):
    return a_map(SIZES, frontier=lambda cell: factor * 40 * (1 - 3 / cell["batch_size"]), eps=0.0, **options)


def test_the_shift_that_was_put_in_is_found() -> None:
    found = compare(shifted(1.2, noise=0.02, rng_seed=1), shifted(1.0, noise=0.02, rng_seed=2))
    assert found.shift == pytest.approx(1.2, rel=0.03)  # the interpolation between depths, see test_frontier
    assert found.interval is not None
    assert found.interval.low <= 1.2 <= found.interval.high
    assert found.interval.low > 1
    assert "deeper than that of B" in found.sentence
    assert "beyond chance" in found.sentence
    frontiers = [find(one).depth for one in (found.a, found.b)]
    assert found.layers == pytest.approx(float(np.mean(frontiers[0] - frontiers[1])))


def test_the_same_experiment_with_other_noise_shows_no_shift() -> None:
    found = compare(shifted(1.0, noise=0.03, rng_seed=1), shifted(1.0, noise=0.03, rng_seed=2))
    assert found.interval is not None
    assert found.interval.low <= 1 <= found.interval.high
    assert "no difference can be told" in found.sentence
    alike = likeness(found.a, found.b)
    assert alike is not None
    assert alike.r > 0.98


@pytest.mark.slow
def test_the_shifts_interval_covers() -> None:
    inside = 0
    for k in range(60):
        found = compare(shifted(1.1, noise=0.04, rng_seed=2 * k), shifted(1.0, noise=0.04, rng_seed=2 * k + 1))
        assert found.interval is not None
        inside += found.interval.low <= 1.1 <= found.interval.high
    # 95 % of 60 is 57 with a standard deviation of 1.7; five columns at fixed places also carry interpolation error
    assert inside >= 50


def test_only_what_both_maps_have_is_compared() -> None:
    a = shifted(1.0)
    b = shifted(1.0).sel(batch_size=[8, 16, 64], depth=slice(10, 50))
    found = compare(a, b)
    assert found.difference.shape == (b.sizes["depth"], 3)
    np.testing.assert_allclose(found.difference, 0, atol=1e-12)


def test_maps_that_do_not_compare_are_refused() -> None:
    a = shifted(1.0)
    with pytest.raises(InputError, match="different axes"):
        compare(a, a_map(SIZES, x_axis="batch_size", y_axis="depth").assign_attrs(x_axis="lr"))
    with pytest.raises(InputError, match="no batch_size in common"):
        compare(a, a_map((7, 9), eps=0.0))


def test_a_map_against_the_right_and_the_wrong_theory() -> None:
    relu = a_map(SIZES, frontier=lambda cell: 15 * depth_scale(activation("relu"), cell["batch_size"]).xi, eps=0.0)
    own, other = against_theory(relu, "tanh")
    assert own.kappa == pytest.approx(15, rel=0.03)
    assert own.spread is not None
    assert other.spread is not None
    assert own.spread < other.spread
    with pytest.raises(InputError, match="swish"):
        against_theory(relu, "swish")


def test_the_difference_map_is_drawn_on_symmetric_limits() -> None:
    found = compare(shifted(1.2), shifted(1.0))
    ax = draw(found, names=("wide", "narrow"))
    mesh = ax.collections[0]
    assert (mesh.norm.vmin, mesh.norm.vmax) == (-1, 1)
    np.testing.assert_allclose(mesh.get_array(), found.difference)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), found.frontier_a.depth)
    assert ax.get_title().startswith("wide − narrow")


def test_the_command_says_it_and_writes_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = {"a": shifted(1.2), "b": shifted(1.0)}
    monkeypatch.setattr(comparing, "_map", maps.__getitem__)
    text = comparing.run("a", "b", out=tmp_path / "difference")
    assert "deeper than that of B" in text
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".pdf", ".png"]
    assert "theory of relu" in comparing.run("a", "theory:tanh")
