"""A quantity that decides accuracy on both maps carries over; one that only orders each of them does not."""

from __future__ import annotations

import numpy as np
import pytest

from phasemap.sweeps.commands import compare as comparing
from phasemap.sweeps.comparison.shared_function import transfer
from phasemap.theory.residual.quantities import QUANTITIES, log_gradient_sum
from tests.sweeps.residual_maps import residual_map, rising
from tests.sweeps.synthetic import a_map

VALUES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
ALL = {"x_axis": "beta_v", "activation": "tanh", "beta_w": "@beta_v", "beta_b": "@beta_v", "values": VALUES}


def decided():
    return rising(lambda trace: float(log_gradient_sum(trace)[-1]), 0, 8)


def test_the_quantity_that_decides_carries_over() -> None:
    one = residual_map(decided(), beta_a="@beta_v", **ALL)
    other = residual_map(decided(), beta_a=1.0, **ALL)
    found = transfer(one, other)
    assert found[0].name == "log Σ(χ_w + χ_v)"
    assert min(found[0].a_to_b, found[0].b_to_a) > 0.97
    by_name = {each.name: each for each in found}
    assert max(by_name["e"].a_to_b, by_name["e"].b_to_a) < 0.5
    swapped = {each.name: each for each in transfer(other, one)}
    assert swapped["log s"].a_to_b == pytest.approx(by_name["log s"].b_to_a)


def test_r2_is_by_hand_the_share_that_is_explained() -> None:
    one = residual_map(lambda cell: 0.5 + cell["depth"] / 200, beta_a="@beta_v", **ALL)
    other = residual_map(lambda cell: 0.4 + cell["depth"] / 200, beta_a="@beta_v", **ALL)
    # at beta_w = 2 the theory's χ⁽⁰⁾/χ⁽ˡ⁾ orders the zag by depth alone: every cell is 0.1 off
    zag = {"x_axis": "beta_a", "beta_w": 2.0, "values": (0.0, 1.0, 2.0)}
    a = residual_map(lambda cell: 0.5 + cell["depth"] / 200, **zag)
    b = residual_map(lambda cell: 0.4 + cell["depth"] / 200, **zag)
    accuracy = b["test_accuracy"].values
    expected = 1 - 0.1**2 / np.var(accuracy)
    chi = next(each for each in transfer(a, b) if each.name.startswith("log χ⁽⁰⁾"))
    assert chi.a_to_b == pytest.approx(expected)
    assert chi.b_to_a == pytest.approx(expected)
    assert len(transfer(one, other)) == len(QUANTITIES)


def test_diverged_networks_are_left_out_and_other_maps_have_none() -> None:
    whole = residual_map(decided(), beta_a="@beta_v", **ALL)
    failing = residual_map(decided(), lambda cell: cell["depth"] == 60, beta_a="@beta_v", **ALL)
    assert transfer(failing, whole)[0].name == "log Σ(χ_w + χ_v)"
    assert transfer(whole, failing)[0].a_to_b > 0.95
    assert transfer(whole, a_map((8, 16))) == []
    assert transfer(whole, residual_map(lambda cell: 0.5, beta_a="@beta_v", **ALL)) == []


def test_the_command_tells_it_even_for_maps_with_other_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = {
        "a": residual_map(decided(), beta_a="@beta_v", **ALL),
        "b": residual_map(
            decided(), beta_a=1.0, **{**ALL, "x_axis": "beta_w", "beta_w": 0.0, "beta_v": 0.0, "beta_b": 0.0}
        ),
    }
    monkeypatch.setattr("phasemap.sweeps.sources.open_map.open_map", lambda sources, view: maps[sources[0]])
    told = comparing.run("a", "b")
    assert "log Σ(χ_w + χ_v)" in told
    assert "Correlation" not in told
    assert "Correlation" in comparing.run("a", "a")
