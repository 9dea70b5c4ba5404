"""ξ on the map's axes: the right parameters reach the theory, the line is exact at the columns, gaps have reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr

from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.overlays.depth_scales import forward_scales
from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.train import cells as cells_of
from tests.sweeps.synthetic import a_map, content, tile_parameters


def over(axis: str, values: Sequence[Any], **changes: Any) -> xr.Dataset:
    """A map over depth and ``axis``; all its cells are finished."""
    tiles = [tile_parameters(**{"x_scale": "linear", "x_axis": axis, **changes, axis: value}) for value in values]
    expected = [cell for tile in tiles for cell in cells_of.cells(tile)]
    return phase_map.build([content(tile, lambda cell: 30.0) for tile in tiles], expected)


def test_relu_over_the_batch_size_is_the_papers_white_line() -> None:
    built = over("batch_size", (4, 8, 16, 32, 64, 128, 256), eps=0.0)
    predicted = theory_of(built).prediction
    # 16 ξ from Thm 3.10's closed form
    np.testing.assert_allclose(16 * predicted.xi, [14.2, 27.5, 34.5, 38.1, 39.9, 40.8, 41.3], atol=0.05)
    assert set(predicted.regime) == {"exploding"}
    assert predicted.factor == 16


def test_the_theory_is_asked_for_the_samples_of_a_bn_statistic() -> None:
    built = over("statistics_batch_size", (8, 16, 32), batch_size=64, eps=0.0)
    np.testing.assert_allclose(16 * theory_of(built).prediction.xi, [27.5, 34.5, 38.1], atol=0.05)
    fixed = over("batch_size", (16, 32, 64), statistics_batch_size=16, eps=0.0)
    np.testing.assert_allclose(16 * theory_of(fixed).prediction.xi, 34.5, atol=0.05)


@pytest.mark.parametrize(
    ("axis", "values", "changes"),
    [
        ("gamma", (0.5, 1.0, 2.0), {"activation": "tanh", "eps": 0.0}),
        ("beta", (0.0, 0.5, 1.0), {"eps": 0.0}),
        ("eps", (0.1, 0.5, 2.0), {"activation": "tanh"}),
        ("sigma_w", (0.5, 1.0), {"activation": "tanh", "eps": 0.1}),
        ("activation", ("erf", "relu", "tanh"), {"eps": 0.0}),
        ("slope", (0.0, 0.5), {"activation": "leaky-relu", "eps": 0.0}),
    ],
)
def test_every_parameter_of_the_theory_can_be_the_axis(axis: str, values: tuple[Any, ...], changes: Any) -> None:
    built = over(axis, values, batch_size=8, **changes)
    given = {"activation": "relu", "gamma": 1.0, "beta": 0.0, "eps": 1e-3, "sigma_w": 1.0, "slope": 0.01} | changes
    expected = []
    for value in values:
        one = given | {axis: value}
        phi = activation(one["activation"], scale=one["gamma"], shift=one["beta"], slope=one["slope"])
        expected.append(depth_scale(phi, 8, eps=one["eps"], sigma_w=one["sigma_w"]).xi)
    np.testing.assert_allclose(theory_of(built).prediction.xi, expected, rtol=1e-12)


def test_an_axis_that_the_theory_does_not_know_gives_a_level_line() -> None:
    predicted = theory_of(over("lr", (0.01, 0.1), eps=0.0)).prediction
    assert predicted.xi[0] == predicted.xi[1]


def test_where_the_theory_fails_there_is_a_gap_with_the_reason() -> None:
    predicted = theory_of(over("batch_size", (3, 4, 8), eps=0.0)).prediction
    assert np.isnan(predicted.xi[0])
    assert "batch size 3" in predicted.reasons[0]
    assert predicted.reasons[1:] == ("", "")
    assert np.isnan(predicted.curve_xi[predicted.curve_x < 3.4]).all()
    assert np.isfinite(predicted.curve_xi[predicted.curve_x > 4]).all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"overlay": "none"}, "none"),
        ({"x_axis": "batch_size", "y_axis": "gamma", "gamma": [0.5, 1.0], "depth": 20}, "which is gamma"),
    ],
)
def test_maps_that_have_no_depth_scale_say_why(changes: Any, reason: str) -> None:
    assert theory_of(over("batch_size", (8, 16), **changes)).scales == {}
    predicted = theory_of(over("batch_size", (8, 16), **changes)).prediction
    assert not predicted.exists
    assert all(reason in one for one in predicted.reasons)


def test_the_line_is_exact_at_the_columns_and_close_between_them() -> None:
    sizes = (5, 6, 8, 10, 12, 16, 24, 32, 64)
    predicted = theory_of(over("batch_size", sizes, eps=0.0, x_scale="log")).prediction
    at = np.array([np.abs(predicted.curve_x - size).argmin() for size in sizes])
    np.testing.assert_allclose(predicted.curve_xi[at], predicted.xi, rtol=1e-9)
    for size in (7, 14, 20, 28, 48):
        true = depth_scale(activation("relu"), size).xi
        assert np.interp(size, predicted.curve_x, predicted.curve_xi) == pytest.approx(true, rel=0.01)


def test_the_line_goes_through_a_critical_point() -> None:
    predicted = theory_of(over("eps", (0.25, 0.5, 2.0, 4.0), activation="tanh", batch_size=8, x_scale="log")).prediction
    assert predicted.regime == ("exploding", "exploding", "vanishing", "vanishing")
    # beyond ε = 1, tanh's critical value, λ = 1/ε exactly
    np.testing.assert_allclose(predicted.xi[2:], 1 / np.log([2, 4]), rtol=1e-9)
    between = predicted.curve_xi[(predicted.curve_x > 0.5) & (predicted.curve_x < 2)]
    assert between.max() > 5 * predicted.xi[1]


def test_contours_count_powers_of_ten_of_the_squared_gradient() -> None:
    built = a_map((8, 16, 32), eps=0.0)
    (field,) = theory_of(built).fields()
    column = int(np.abs(field.x - 16).argmin())
    rate = depth_scale(activation("relu"), 16).rate
    np.testing.assert_allclose(field.values[:, column], field.y * np.log10(rate), rtol=1e-9)
    assert theory_of(over("activation", ("relu", "tanh"), eps=0.0)).fields() == ()


def test_the_rivals_are_the_forward_rates_of_relu() -> None:
    """Against the closed forms for B → ∞ (Thms 3.8 and 3.11 for ReLU), and against the record of another method."""
    sizes = (8, 32, 4096)
    scales = theory_of(over("batch_size", sizes, eps=0.0)).scales
    assert list(scales) == ["ξ_G (gradient explosion)", "ξ_L (forward, L)", "ξ_M (forward, M)", "ξ_CB (cross-batch)"]
    np.testing.assert_array_equal(
        scales["ξ_G (gradient explosion)"], theory_of(over("batch_size", sizes, eps=0.0)).prediction.xi
    )
    limit = np.pi / (2 * (np.pi - 1))  # of λ_M↑ (Eq. 14), and of λ_CB: E φ′(z)² over Var φ(z), (1/4)/((π − 1)/2π)
    for name in ("ξ_M (forward, M)", "ξ_CB (cross-batch)"):
        assert scales[name][-1] == pytest.approx(-1 / np.log(limit), rel=0.01)
    for i, size in enumerate(sizes[:2]):
        other = batchnorm_record(activation("relu"), size, method="gegenbauer")
        for name, rate in (
            ("ξ_L (forward, L)", other["forward"]["L"]),
            ("ξ_M (forward, M)", other["forward"]["M"]),
            ("ξ_CB (cross-batch)", other["cross_batch"]["rate"]),
        ):
            assert scales[name][i] == pytest.approx(-1 / np.log(rate), rel=1e-6)


def test_beyond_the_critical_eps_all_scales_are_one_and_at_a_kink_there_is_none() -> None:
    """BN is linear there: every rate is σ_w²φ′(0)²/ε, and ReLU has no φ′(0)."""
    smooth = theory_of(over("eps", (2.0, 4.0), activation="tanh", batch_size=8)).scales
    for scale in smooth.values():
        np.testing.assert_allclose(scale, 1 / np.log([2, 4]), rtol=1e-9)
    kinked = theory_of(over("eps", (0.5, 2.0), batch_size=8)).scales
    assert np.isfinite(kinked.pop("ξ_G (gradient explosion)")).all()
    assert all(np.isnan(scale).all() for scale in kinked.values())


@pytest.mark.slow
def test_what_does_not_exist_at_bsb1_has_no_forward_scale() -> None:
    scales = theory_of(over("batch_size", (3, 8), eps=0.0)).scales
    assert np.isnan(scales["ξ_M (forward, M)"][0])  # an empty space
    assert np.isfinite(scales["ξ_L (forward, L)"]).all()
    none = forward_scales([(activation("relu"), {"statistics_batch_size": 2, "eps": 0.0, "sigma_w": 1.0})])
    assert all(np.isnan(scale).all() for scale in none.values())


@pytest.mark.slow
def test_where_bsb1_repels_there_is_no_forward_scale() -> None:
    cubed = activation("alpha-relu", alpha=3.0)
    assert batchnorm_record(cubed, 6)["stable"] is False
    scales = forward_scales([(cubed, {"statistics_batch_size": 6, "eps": 0.0, "sigma_w": 1.0})])
    assert all(np.isnan(scale).all() for scale in scales.values())
