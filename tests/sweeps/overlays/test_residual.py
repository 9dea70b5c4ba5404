"""The residual theory on a map's axes: the right network's numbers, exact contours, both sides of the peak."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.contour import QuadContourSet

from phasemap.sweeps.figures.maps import heat_map
from phasemap.sweeps.figures.maps.colour_scale import colour_limits, scale_in_words
from phasemap.sweeps.figures.maps.contours import contour_levels
from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.residual import ResidualTheory
from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.regions import LEFT, RIGHT, TRAINED, WHOLE, best_columns, regions
from phasemap.sweeps.verdict.divergence_level import divergence_levels
from phasemap.sweeps.verdict.fitted_levels import fitted_fields
from phasemap.theory.errors import InputError
from phasemap.theory.residual.quantities import QUANTITIES
from phasemap.train.parameters import normalise
from tests.sweeps.residual_maps import DEPTHS, ZIG, residual_contents, residual_map, trace_of
from tests.sweeps.synthetic import a_map


def flat(cell) -> float:
    return 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"x_axis": "beta_a", "beta_w": 2.0},
        {"x_axis": "beta_v", "activation": "tanh", "beta_w": "@beta_v", "beta_a": "@beta_v", "beta_b": "@beta_v"},
        {"x_axis": "sigma_v", "activation": "tanh", "sigma_b": 0.5, "beta_b": 0.0},
        {"x_axis": "depth_scaling_v", "depth_scaling_a": "@depth_scaling_v", "beta_w": 0.2},
        {"x_axis": "beta_v", "activation": "tanh", "depth_scaling_w": 1.0},
    ],
)
def test_every_network_gets_its_own_numbers(changes) -> None:
    values = (0.0, 0.4, 1.3) if changes.get("x_axis") != "sigma_v" else (0.5, 1.0, 1.5)
    contents, cells = residual_contents(flat, values=values, **changes)
    built = phase_map.build(contents, cells)
    found = theory_of(built).quantities
    x_axis = built.attrs["x_axis"]
    for cell in cells:
        i, j = DEPTHS.index(cell["depth"]), values.index(cell[x_axis])
        trace = trace_of(cell)
        # by definition, from the network's own chi with chi = 1 at its last layer
        w = trace.chi_w[1:]
        gradients = [trace.chi_w[1:], trace.chi_v[1:], trace.chi_a[1:], trace.chi_b[1:]]
        expected = {
            "p": np.log(trace.p[-1]),
            "s": np.log(trace.s[-1]),
            "e": trace.gamma[-1] / trace.p[-1],
            "chi": np.log(trace.chi[0]),
            "chi_w": np.log(w[0] / w[-1]),
            "chi_v": np.log(trace.chi_v[1] / trace.chi_v[-1]),
            "chi_w_spread": np.log(w.max() / w.min()),
            "chi_sum": np.log(np.sum(trace.chi_w[1:] + trace.chi_v[1:])),
            "gradient_spread": np.log(np.max(gradients) / np.min(gradients)),
        }
        assert set(expected) == set(QUANTITIES)
        for name, value in expected.items():
            assert found[QUANTITIES[name][0]][i, j] == pytest.approx(value, rel=1e-9, abs=1e-10), (
                name,
                cell["depth"],
                cell[x_axis],
            )


def test_the_measured_moments_of_the_data_are_what_it_starts_from() -> None:
    contents, cells = residual_contents(flat, values=(0.0, 1.0))
    built = phase_map.build(contents, cells)
    assert (built.attrs["p0"], built.attrs["gamma0"]) == (1.0, 0.3)
    for one in contents:
        one["data"] |= {"p0": 2.0, "gamma0": 2.0}
    same = theory_of(phase_map.build(contents, cells)).quantities
    np.testing.assert_allclose(same["e"], 1)
    assert np.isneginf(same["log s"]).all()
    contents[0]["data"]["gamma0"] = 1.0
    assert "p0" not in phase_map.build(contents, cells).attrs


@pytest.mark.parametrize(
    ("built", "reason"),
    [
        (lambda: residual_map(flat, x_axis="depth", y_axis="beta_w", values=(5, 10), depth=5), "vertical axis"),
        (lambda: residual_map(flat, x_axis="widths", values=("8", "16"), beta_w=0.0), "widths changes from column"),
        (
            lambda: residual_map(flat, x_axis="sigma_v", values=(0.5, 1.0), widths="64/exp(A)@n^2"),
            "sigma_v changes from column",
        ),
    ],
)
def test_maps_without_the_theory_say_why(built, reason: str) -> None:
    theory = theory_of(built())
    assert isinstance(theory, ResidualTheory)
    assert reason in theory.inapplicable()
    assert theory.quantities == theory.failure_quantities == {}
    assert theory.fields() == theory.failure_fields() == ()
    assert not theory.prediction.exists


def test_a_depth_scaling_that_changes_within_a_column_is_not_overlooked() -> None:
    """It is no parameter of the map then, as if it were not given."""
    contents, _ = residual_contents(flat, values=(0.0, 1.0), depth_scaling_v=0.5)
    for of in (lambda cell: cell["depth"] / 100, lambda cell: cell["depth"] / 100 + cell["beta_w"]):
        for cell in (cell["parameters"] for content in contents for cell in content["cells"]):
            cell["depth_scaling_v"] = of(cell)
        built = phase_map.build(contents, None)
        assert theory_of(built).inapplicable() == "depth_scaling_v changes within a column"
    assert built.attrs["varying"] == "depth_scaling_v"


def test_results_without_moments_say_so() -> None:
    contents, cells = residual_contents(flat, values=(0.0, 1.0))
    for one in contents:
        del one["data"]["p0"]
    assert "p0" in theory_of(phase_map.build(contents, cells)).inapplicable()


def test_contours_are_the_networks_numbers_and_squashed_where_they_span_much() -> None:
    built = residual_map(flat)
    (field,) = theory_of(built).fields()
    log_s = theory_of(built).quantities["log s"]
    assert field.label == "log(1 + log s)"
    rows = [int(np.flatnonzero(field.y == depth)[0]) for depth in DEPTHS]
    columns = [int(np.flatnonzero(field.x == value)[0]) for value in ZIG]
    np.testing.assert_allclose(field.values[np.ix_(rows, columns)], np.sign(log_s) * np.log1p(np.abs(log_s)))
    small = residual_map(flat, values=(0.0, 0.5, 1.0), activation="tanh", beta_v=1.0, beta_a=1.0)
    (plain,) = theory_of(small).fields()
    assert plain.label == "log s"
    assert len(contour_levels(plain)) >= 3
    assert field.y[-1] >= map_axis(built, "y").edges[-1]


def test_contours_of_networks_scaled_by_their_depth_are_each_networks_own() -> None:
    options = {"x_axis": "depth_scaling_v", "depth_scaling_a": "@depth_scaling_v", "overlay": "p"}
    values = (0.0, 0.3, 1.0)
    built = residual_map(flat, values=values, **options)
    (field,) = theory_of(built).fields()
    assert field.label == "log(1 + log p)"
    assert map_axis(built, "x").label == "δ_v = δ_a"
    for depth in DEPTHS:
        row = int(np.flatnonzero(field.y == depth)[0])
        for value in values:
            network = {"activation": "relu", "depth": depth, "depth_scaling_v": value, "depth_scaling_a": value}
            log_p = trace_of(cell_like(network)).log_p[-1]
            assert field.values[row, np.flatnonzero(field.x == value)[0]] == pytest.approx(np.log1p(log_p))
    theory = theory_of(built)
    assert isinstance(theory, ResidualTheory)
    assert theory.leading_terms == {}  # of the paper, in l alone
    assert set(theory.failure_quantities) == {QUANTITIES[name][0] for name in ("p", "s", "chi", "chi_sum")}


def cell_like(given: dict) -> dict:
    """A network with every σ = 1 and β = 0 beside what is given."""
    return {f"sigma_{which}": 1.0 for which in "wbva"} | {f"beta_{which}": 0.0 for which in "wbva"} | given


def peaked(cell) -> float:
    """Best at β = 0.2 where deep, at β = 0 where shallow."""
    best = 0.2 if cell["depth"] > 10 else 0.0
    return 0.8 - abs(cell["beta_v"] - best)


def test_two_quantities_share_the_map_at_each_depths_best() -> None:
    values = (0.0, 0.1, 0.2, 0.5, 1.0)
    options = {
        "x_axis": "beta_v",
        "beta_w": "@beta_v",
        "beta_b": "@beta_v",
        "activation": "tanh",
        "overlay": "chi_w|p",
        "values": values,
    }
    built = residual_map(peaked, **options)
    np.testing.assert_array_equal(best_columns(built), [0, 0, 2, 2, 2, 2])
    found = regions(built)
    assert list(found) == [WHOLE, LEFT, RIGHT]
    np.testing.assert_array_equal(found[LEFT].sum(axis=1), [0, 0, 3, 3, 3, 3])
    np.testing.assert_array_equal(found[RIGHT].sum(axis=1), [5, 5, 3, 3, 3, 3])
    left, right = theory_of(built).fields()
    assert (left.name, right.name) == ("chi_w", "p")
    deep = int(np.flatnonzero(left.y == 40)[0])
    np.testing.assert_array_equal(np.isfinite(left.values[deep]), left.x <= 0.2)
    np.testing.assert_array_equal(np.isfinite(right.values[deep]), right.x >= 0.2)
    ax = heat_map.draw(built, None, fields=(left, right), ids="m")
    drawn = {one.get_gid(): one for one in ax.collections if isinstance(one, QuadContourSet)}
    assert set(drawn) == {"m-chi_w", "m-p"}


def test_diverged_networks_make_a_region_of_the_rest() -> None:
    built = residual_map(flat, lambda cell: cell["depth"] == 60 and cell["beta_w"] == 0 and cell["seed"] == 1)
    found = regions(built)
    assert list(found) == [WHOLE, TRAINED]
    assert np.argwhere(~found[TRAINED]).tolist() == [[5, 0]]


def test_the_dashed_lines_lie_where_their_term_has_the_fitted_level() -> None:
    built = residual_map(flat, lambda cell: trace_of(cell).log_p[-1] > 9)
    theory = theory_of(built)
    assert isinstance(theory, ResidualTheory)
    right, printed = fitted_fields(theory, divergence_levels(built, theory.leading_terms))
    assert right.fitted
    assert right.levels is not None
    level = right.levels[0]
    ax = heat_map.draw(built, None, fields=(right, printed), ids="m")
    lines = {one.get_gid(): one for one in ax.collections if isinstance(one, QuadContourSet)}
    assert set(lines) == {"m-corner-0", "m-corner-1"}
    points = np.concatenate([path.vertices for path in lines["m-corner-0"].get_paths()])
    points = points[points[:, 1] < 60]
    v = points[:, 0]
    np.testing.assert_allclose(0.5 / (1 - v) * points[:, 1] ** (1 - v), level, rtol=5e-3)
    assert fitted_fields(theory, []) == ()


def test_a_field_whose_levels_lie_beyond_the_map_draws_nothing() -> None:
    built = residual_map(flat, lambda cell: trace_of(cell).log_p[-1] > 9)
    right, _ = theory_of(built).failure_fields()
    far = Field("far", "", right.x, right.y, right.values, "", (1e9,))
    ax = heat_map.draw(built, None, fields=(far,), ids="m")
    assert not any(isinstance(one, QuadContourSet) for one in ax.collections)


def test_linked_axes_are_told_in_the_label() -> None:
    assert map_axis(residual_map(flat), "x").label == "β_w = β_b"


def test_the_parameter_overlay_takes_one_or_two_quantities() -> None:
    for good in ("xi", "none", "s", "chi_w|p"):
        assert normalise({"lr": 1, "steps": 1, "overlay": good})["overlay"] == good
    for bad in ("xi|p", "t", "p|s|e", "p|", ""):
        with pytest.raises(InputError, match="overlay"):
            normalise({"lr": 1, "steps": 1, "overlay": bad})


def test_accuracies_that_hardly_differ_get_a_narrow_scale_and_say_so() -> None:
    close = residual_map(lambda cell: 0.86 + 0.03 * cell["depth"] / 60)
    assert colour_limits(close, "test_accuracy") == (0.86, 0.89)
    assert scale_in_words(close) == "colours from 0.86 to 0.89"
    bar = heat_map.draw(close, None).figure.axes[1]
    assert "narrow" in bar.get_ylabel()
    wide = residual_map(lambda cell: 0.2 + 0.6 * cell["depth"] / 60)
    assert colour_limits(wide, "test_accuracy") == (0.0, 1.0)
    assert scale_in_words(wide) == ""
    assert "narrow" not in heat_map.draw(wide, None).figure.axes[1].get_ylabel()
    assert colour_limits(a_map((8, 16), frontier=lambda cell: 500.0), "test_accuracy") == (0.0, 1.0)
