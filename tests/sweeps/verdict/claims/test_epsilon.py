"""What Fig. 5(c, d) says of ε, on synthetic wedges around the theory's own critical ε."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.verdict.claims.epsilon import critical_eps, rows
from phasemap.sweeps.verdict.judgement import judge
from phasemap.train import cells as cells_of
from tests.sweeps.synthetic import content, tile_parameters

EPS = (0.001, 0.1, 0.5, 0.8, 1.0, 1.25, 2.5)


def a_wedge(frontier: Callable[[dict[str, Any]], float], **changes: Any) -> xr.Dataset:
    tiles = [
        tile_parameters(eps=eps, activation="tanh", batch_size=32, x_axis="eps", experiment="bn-fig5c", **changes)
        for eps in EPS
    ]
    expected = [cell for tile in tiles for cell in cells_of.cells(tile)]
    return phase_map.build([content(tile, frontier) for tile in tiles], expected, {})


def wedge(cell: dict[str, Any]) -> float:
    return {0.001: 18.0, 0.1: 20.0, 0.5: 33.0, 0.8: 50.0, 1.0: 300.0, 1.25: 40.0, 2.5: 12.0}[cell["eps"]]


@pytest.mark.parametrize("sigma_w", [1.0, 0.8])
def test_the_critical_eps_is_that_of_the_theory(sigma_w: float) -> None:
    """σ_w² φ′(0)², and there the drawn curve of ln λ changes its sign, between the columns around it."""
    built = a_wedge(wedge, sigma_w=sigma_w)
    assert critical_eps(built) == pytest.approx(sigma_w**2, rel=1e-12)
    prediction = theory_of(built).prediction
    below, above = (max(e for e in EPS if e < sigma_w**2), min(e for e in EPS if e > sigma_w**2))
    sign = np.sign(np.interp([below, above], prediction.curve_x, prediction.curve_log_rate))
    assert list(sign) == [1, -1]


def test_a_wedge_is_deepest_at_the_critical_point_and_not_trainable_beyond() -> None:
    built = a_wedge(wedge)
    judged = judge(built)
    transition, very_deep, beyond, sides = rows(built, judged)
    assert (transition.holds, very_deep.holds, beyond.holds, sides.holds) == ("yes", "yes", "no", "no")
    xi = dict(zip(EPS, judged.theory.prediction.xi, strict=True))
    # the accuracy is a logistic curve sampled every five layers, so that its half is found to a tenth of a layer
    ratios = [40 / xi[1.25], 12 / xi[2.5]]
    assert f"vanishing: {np.sqrt(ratios[0] * ratios[1]):.1f} ξ" in sides.measured
    assert f"and {np.sqrt(ratios[0] * ratios[1]):.1f} ξ on the vanishing side (2 columns);" in judged.verdict
    assert "ξ on the exploding side (4 columns) and " in judged.verdict
    assert "ε = 1 (beyond 60 layers)" in transition.measured
    assert "at ε = 0.001 to 18 layers" in very_deep.measured
    assert "ε = 2.5: to 12 layers" in beyond.measured


def test_a_map_without_a_transition_says_so() -> None:
    built = a_wedge(lambda cell: 30.0 - 5 * cell["eps"])
    transition, very_deep, *_ = rows(built, judge(built))
    assert (transition.holds, very_deep.holds) == ("no", "no")


def test_a_map_that_trains_everywhere_leaves_it_open() -> None:
    built = a_wedge(lambda cell: 500.0)
    assert [row.holds for row in rows(built, judge(built))] == ["open", "open", "yes", "open"]


def test_without_a_critical_eps_there_is_nothing_to_say() -> None:
    built = a_wedge(wedge, sigma_w=3.0)  # critical at 9, beyond the map
    assert critical_eps(built) is None
    assert rows(built, judge(built)) == []


def test_columns_that_were_not_run_leave_it_open() -> None:
    built = a_wedge(wedge)
    half = built.where(built["eps"] < 1.1)
    half["outcome"] = half["outcome"].where(half["eps"] < 1.1, "missing")
    half.attrs = built.attrs
    assert [row.holds for row in rows(half, judge(half))] == ["open", "open", "open", "open"]
