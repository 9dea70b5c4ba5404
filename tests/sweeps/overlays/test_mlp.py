"""The theory of plain networks on a map: its line on both sides of the critical point, its rivals, and its claims."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

from phasemap.sweeps.figures import conditions
from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.overlays.mlp import MLPTheory
from phasemap.sweeps.phase_map.from_results import build
from phasemap.sweeps.verdict.claims.order_to_chaos import rows
from phasemap.sweeps.verdict.judgement import judge
from phasemap.theory.mlp.critical_line import critical_point
from phasemap.theory.mlp.record import mlp_record
from phasemap.train import parameters
from phasemap.train.cells import cells
from tests.sweeps.synthetic import content

SIGMA_W, SIGMA_B = (1.0, 1.1, 1.2, 1.4, 1.5, 1.7, 2.0), 0.05**0.5
NORMS = ("none", "layer")
DEPTHS = [5, 10, 20, 30, 40, 60, 80, 100, 130, 160, 200]


@cache
def record(sigma_w: float, **changes: Any) -> dict[str, Any]:
    return mlp_record(changes.pop("activation", "tanh"), sigma_w=sigma_w, sigma_b=SIGMA_B, **changes)


def a_map(x_axis: str = "sigma_w", values: tuple[Any, ...] = SIGMA_W, kappa: float = 4.0, **changes: Any) -> xr.Dataset:
    """Networks train up to κ ξ_c, of tanh without dropout; in the chaotic phase up to twice that."""

    def frontier(cell: dict[str, Any]) -> float:
        if cell["activation"] != "tanh":
            return 20.0
        found = record(cell["sigma_w"])
        return kappa * (found["xi_c"] or 1e3) * (2 if found["regime"] == "chaotic" else 1)

    given = {
        "experiment": "dip-fig5c",
        "architecture": "mlp",
        "activation": "tanh",
        "depth": DEPTHS,
        "sigma_w": 1.3,
        "sigma_b": SIGMA_B,
        "x_axis": x_axis,
        "overlay_factor": 6,
        "lr": 0.01,
        "steps": 10,
        "seed": [0, 1],
        **changes,
    }
    tiles = [parameters.normalise({**given, x_axis: value}) for value in values]
    return build([content(tile, frontier) for tile in tiles], [cell for tile in tiles for cell in cells(tile)])


@pytest.mark.parametrize(("overlay", "name"), [("xi", "xi_c"), ("xi_grad", "xi_grad")])
def test_every_column_has_the_scale_that_is_asked_for(overlay: str, name: str) -> None:
    theory = theory_of(a_map(overlay=overlay))
    assert isinstance(theory, MLPTheory)
    np.testing.assert_allclose(theory.prediction.xi, [record(value)[name] for value in SIGMA_W], rtol=1e-12)
    assert theory.prediction.regime == ("vanishing",) * 3 + ("exploding",) * 4
    assert next(iter(theory.scales)).startswith({"xi": "ξ_c", "xi_grad": "ξ_∇"}[overlay])
    assert len(theory.scales) == 3


def test_the_line_goes_through_the_columns_and_the_critical_point() -> None:
    predicted = theory_of(a_map()).prediction
    at = np.searchsorted(predicted.curve_x, SIGMA_W)
    np.testing.assert_allclose(predicted.curve_xi[at], predicted.xi, rtol=1e-12)
    (critical,) = predicted.critical_x
    assert critical == pytest.approx(critical_point("tanh", SIGMA_B).sigma_w, abs=1e-5)


def test_gradients_of_relu_have_a_scale_on_both_sides_and_correlations_on_one() -> None:
    values = (1.2, 1.3, 2**0.5, 1.6)
    gradient = theory_of(a_map(values=values, activation="relu", overlay="xi_grad")).prediction
    assert gradient.regime == ("vanishing", "vanishing", "critical", "exploding")
    assert gradient.xi[2] == np.inf
    sides = np.delete(np.array(values), 2)
    np.testing.assert_allclose(np.delete(gradient.xi, 2), 1 / np.abs(np.log(sides**2 / 2)), rtol=1e-9)
    correlation = theory_of(a_map(values=values, activation="relu")).prediction
    assert np.isfinite(correlation.xi[:2]).all()
    assert np.isnan(correlation.xi[3])
    assert "without bound" in correlation.reasons[3]


def test_layers_of_dropout_and_of_norms_have_their_own_scales() -> None:
    keep = theory_of(a_map("keep", (0.8, 0.9, 1.0))).prediction
    np.testing.assert_allclose(keep.xi, [record(1.3, keep=value)["xi_c"] for value in (0.8, 0.9, 1.0)], rtol=1e-12)
    assert not keep.critical_x
    of_norms = a_map("norm", ("none", "layer"), eps=1e-3)
    norms = theory_of(of_norms).prediction
    assert norms.xi[of_norms["norm"].values.tolist().index("layer")] == pytest.approx(
        record(1.3, norm="layer", eps=1e-3)["xi_c"], rel=1e-12
    )
    assert not norms.curve_x.size  # an axis of categories


def test_it_says_why_it_says_nothing() -> None:
    assert "asks for overlay 'none'" in theory_of(a_map(overlay="none")).inapplicable()
    across = a_map("depth", (10, 20), y_axis="sigma_w", sigma_w=[1.1, 1.2], depth=10)
    assert "needs depth on the vertical axis" in theory_of(across).inapplicable()


def test_the_papers_sentences_each_phase_by_itself() -> None:
    phase_map = a_map(kappa=3.0)
    found = rows(phase_map, judge(phase_map))
    said = {row.sentence: row for row in found}
    ordered, chaotic = (
        said[f"networks train up to about 6 ξ, in the {phase} phase"] for phase in ("ordered", "chaotic")
    )
    assert ordered.measured.startswith("half of the best accuracy's lead over chance is left at 3.")
    assert re.search(r"left at (5\.9|6\.\d) ξ \(4 columns", chaotic.measured)
    assert ordered.holds == "no"
    assert said["networks train deepest at the critical point"].holds == "yes"


def test_the_gradients_growth_is_a_field() -> None:
    (field,) = theory_of(a_map()).fields()
    at, depth = np.searchsorted(field.x, 1.5), field.y[-1]
    expected = depth * np.log10(record(1.5)["chi_1_dropout"])
    assert field.values[-1, at] == pytest.approx(expected, rel=1e-9)
    assert theory_of(a_map("norm", ("none", "layer"))).fields() == ()


def test_captions_name_the_epsilon_of_layer_normalisation_only() -> None:
    plain, normalised = (conditions.networks_in_words(conditions.values_of_map(a_map(norm=norm))) for norm in NORMS)
    assert "ε" not in plain
    assert "ε = 0.001" in normalised
