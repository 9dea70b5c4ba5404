"""Two maps with a known shift; a map against the right and the wrong theory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from phasemap.sweeps.commands import compare as comparing
from phasemap.sweeps.comparison.cell_correlation import likeness
from phasemap.sweeps.comparison.many_maps import joint
from phasemap.sweeps.comparison.two_maps import against_theory, compare
from phasemap.sweeps.figures.maps.difference import draw
from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.verdict.frontier import find
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.errors import InputError
from tests.sweeps.residual_maps import residual_map
from tests.sweeps.synthetic import a_map, content, tile_parameters

SIZES = (8, 12, 16, 32, 64)


def give(monkeypatch: pytest.MonkeyPatch, maps: dict[str, xr.Dataset]) -> None:
    """Sources by the maps' names."""
    monkeypatch.setattr("phasemap.sweeps.sources.open_map.open_map", lambda sources, view: maps[sources[0]])


def shifted(factor: float, **options: Any):
    return a_map(SIZES, frontier=lambda cell: factor * 40 * (1 - 3 / cell["batch_size"]), eps=0.0, **options)


def test_the_shift_that_was_put_in_is_found() -> None:
    found = compare(shifted(1.2, noise=0.02, rng_seed=1), shifted(1.0, noise=0.02, rng_seed=2))
    assert found.shift is not None
    assert found.shift.value == pytest.approx(1.2, rel=0.03)  # the interpolation between depths, see test_frontier
    assert found.shift.interval is not None
    assert found.shift.interval.low <= 1.2 <= found.shift.interval.high
    assert found.shift.significant
    assert found.shift.interval.low > 1
    assert "deeper than that of B" in found.sentence
    assert "beyond chance" in found.sentence
    frontiers = [find(one).depth for one in (found.a, found.b)]
    assert found.layers == pytest.approx(float(np.mean(frontiers[0] - frontiers[1])))


def test_the_same_experiment_with_other_noise_shows_no_shift() -> None:
    found = compare(shifted(1.0, noise=0.03, rng_seed=1), shifted(1.0, noise=0.03, rng_seed=2))
    assert found.shift is not None
    assert found.shift.interval is not None
    assert not found.shift.significant
    assert "no difference can be told" in found.sentence
    alike = likeness(found.a, found.b)
    assert alike is not None
    assert alike.r > 0.98


@pytest.mark.slow
def test_the_shifts_interval_covers() -> None:
    inside = 0
    for k in range(60):
        found = compare(shifted(1.1, noise=0.04, rng_seed=2 * k), shifted(1.0, noise=0.04, rng_seed=2 * k + 1))
        assert found.shift is not None
        assert found.shift.interval is not None
        inside += found.shift.interval.low <= 1.1 <= found.shift.interval.high
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
        compare(a, a_map((100, 200), eps=0.0))


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
    assert found.frontier_a is not None
    np.testing.assert_allclose(ax.lines[0].get_ydata(), found.frontier_a.depth)
    assert ax.get_title().startswith("wide − narrow")
    assert ax.figure.get_suptitle().startswith("wide: bn-fig3a · digits")
    assert len(ax.figure.legends) == 1


def test_in_a_larger_figure_the_difference_map_keeps_to_its_axes() -> None:
    left, right = Figure(figsize=(12, 5)).subplots(1, 2)
    assert draw(compare(shifted(1.2), shifted(1.0)), ax=right) is right
    assert right.figure.get_suptitle() == ""
    assert not right.figure.legends
    assert right.get_title().startswith("A: bn-fig3a · digits")
    assert right.get_legend() is not None
    assert left.get_title() == ""


def test_the_command_says_it_and_writes_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = {"a": shifted(1.2), "b": shifted(1.0)}
    give(monkeypatch, maps)
    text = comparing.run("a", "b", out=tmp_path / "difference")
    assert "deeper than that of B" in text
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".pdf", ".png"]
    assert "theory of relu" in comparing.run("a", "theory:tanh")
    assert "No κ" not in comparing.run("a", "theory:tanh")
    maps["a"] = maps["a"].isel(depth=[0])
    without = "No κ with the theory of {}: Every column trains at every depth of this map"
    assert all(without.format(name) in comparing.run("a", "theory:tanh") for name in ("relu", "tanh"))


def test_frontiers_that_run_alike_correlate_and_their_kappas_are_a_ratio_apart() -> None:
    found = compare(shifted(1.2, noise=0.01, rng_seed=1), shifted(1.0, noise=0.01, rng_seed=2))
    assert found.pearson is not None
    assert found.pearson[0] > 0.99
    assert found.spearman == pytest.approx(1)
    assert found.kappa_ratio is not None
    assert found.shift is not None  # the same networks have the same ξ
    assert found.kappa_ratio.value == pytest.approx(found.shift.value)
    unlike = compare(shifted(1.0), a_map(SIZES, frontier=lambda cell: 20 + 160 / cell["batch_size"], eps=0.0))
    assert unlike.pearson is not None
    assert unlike.pearson[0] < -0.9
    assert unlike.spearman == pytest.approx(-1)


def test_kappas_compare_where_xi_differs() -> None:
    def at(name: str, multiple: float) -> Any:
        return lambda cell: multiple * depth_scale(activation(name), cell["batch_size"]).xi

    relu = a_map(SIZES, frontier=at("relu", 15), eps=0.0)
    tanh = a_map(SIZES, frontier=at("tanh", 10), eps=0.0, activation="tanh", depth=list(range(4, 80, 4)))
    found = compare(relu.sel(depth=[20, 40, 60]), tanh.sel(depth=[20, 40, 60]))
    assert found.kappa_ratio is not None
    assert found.shift is not None
    assert found.kappa_ratio.value != pytest.approx(found.shift.value, rel=0.05)


def over_statistics(sizes: tuple[int, ...], factor: float = 1.0, **options: Any):
    """Fig. 3(b): one batch size, sub-batches normalised by themselves."""
    tiles = [
        tile_parameters(batch_size=960, statistics_batch_size=size, x_axis="statistics_batch_size", eps=0.0)
        for size in sizes
    ]
    frontier = lambda cell: factor * 40 * (1 - 3 / cell["statistics_batch_size"])  # noqa: E731
    return phase_map.build([content(tile, frontier, **options) for tile in tiles], None)


def test_batch_size_and_samples_per_statistic_are_the_same_axis() -> None:
    for a, b in ((shifted(1.2), over_statistics(SIZES)), (over_statistics(SIZES, 1.2), shifted(1.0))):
        found = compare(a, b)
        assert found.difference.shape[1] == len(SIZES)
        assert not found.interpolated
        assert found.shift is not None
        assert found.shift.value == pytest.approx(1.2, rel=0.03)
        assert found.kappa_ratio is not None
        assert found.kappa_ratio.value == pytest.approx(found.shift.value)


def test_columns_that_do_not_coincide_are_interpolated_and_it_is_said() -> None:
    other = over_statistics((8, 10, 15, 20, 30, 40, 60, 80))
    found = compare(shifted(1.2), other)
    assert found.interpolated
    assert found.a["statistics_batch_size"].values.tolist() == list(SIZES)
    assert found.shift is not None
    # the frontier is concave in log B: a chord between neighbours lies below it by at most h²/8·max|f''|, here
    # (ln 1.5)²/8 of 40·3/B <= 0.02·15 = 0.3 of some 25 layers, beside the 3 % of the depths' grid
    assert found.shift.value == pytest.approx(1.2, rel=0.045)
    exact = compare(shifted(1.0), over_statistics((4, 8, 64, 96)))
    assert exact.interpolated
    np.testing.assert_allclose(exact.difference[:, [0, -1]], 0, atol=1e-12)  # 8 and 64 are columns of both


def test_frontiers_are_of_each_maps_own_depths() -> None:
    a, b = shifted(1.2).sel(depth=slice(5, 60, 2)), shifted(1.0)
    found = compare(a, b)
    assert found.difference.shape[0] == a.sizes["depth"]
    assert found.frontier_b is not None
    np.testing.assert_array_equal(found.frontier_b.depth, find(b).depth)
    with pytest.raises(InputError, match="no depth in common"):
        compare(b, b.assign_coords(depth=b["depth"].values + 1))


def test_what_lies_beyond_the_other_map_is_left_out_of_an_interpolation() -> None:
    found = compare(shifted(1.0), over_statistics((10, 20, 40)))
    assert found.a["statistics_batch_size"].values.tolist() == [12, 16, 32]


def test_residual_maps_have_no_frontier_in_words_or_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (residual_map(lambda cell, k=k: 0.5 + 0.1 * k - cell["depth"] / 300, values=(0.0, 0.5, 1.0)) for k in (0, 1))
    found = compare(a, b)
    assert (found.frontier_a, found.shift, found.pearson) == (None, None, None)
    assert "no frontier" in found.sentence
    assert draw(found).lines == [] or not list(draw(found).lines)
    give(monkeypatch, {"a": a, "b": b})
    assert "frontier" not in comparing.run("a", "b", out=tmp_path / "difference")


def test_four_maps_are_judged_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near = {name: shifted(1.0, noise=0.03, rng_seed=k) for k, name in enumerate("acd")}
    near["b"] = over_statistics(SIZES, noise=0.03, rng=np.random.default_rng(9))
    found = joint(near)
    assert len(found.pairs) == 6
    assert "r = 0.9" in found.sentence or "r = 1.0" in found.sentence
    assert "No pair differs beyond chance" in found.sentence
    far = joint({**near, "e": shifted(1.3, noise=0.03, rng_seed=7)})
    assert "(4 of 10 pairs)" in far.sentence
    assert "by a factor of 1.3" in far.sentence or "by a factor of 1.2" in far.sentence
    give(monkeypatch, near)
    text = comparing.run("a", "b", "c", "d", out=tmp_path / "frontiers")
    assert text.count(" / ") == 6
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".pdf", ".png"]
    with pytest.raises(InputError, match="given twice"):
        comparing.run("a", "b", "a")
    with pytest.raises(InputError, match="theory:tanh"):
        comparing.run("a", "b", "theory:tanh")
    with pytest.raises(InputError, match="second map"):
        comparing.run("a")
