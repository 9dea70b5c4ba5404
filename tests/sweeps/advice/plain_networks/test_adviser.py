"""Advice for plain networks: every number is the theory's at its setting, and what is advised reaches the depth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.sweeps.advice.answer import advise, text
from phasemap.sweeps.sources import open_map
from phasemap.theory.errors import InputError
from phasemap.theory.mlp.record import mlp_record
from tests.sweeps.overlays.test_mlp import SIGMA_B, a_map

TANH = {"activation": "tanh", "sigma_b": SIGMA_B}


def xi(network: dict[str, Any]) -> float:
    own = {"norm": "none", "keep": 1.0, "eps": 1e-3} | network
    found = mlp_record(own.pop("activation"), **own)
    assert found["xi_c"] is not None
    return float(found["xi_c"])


NETWORKS = (
    st.floats(0.6, 2.5),
    st.sampled_from([0.05, 0.2236, 0.8]),
    st.sampled_from([0.9, 1.0]),
    st.sampled_from(["none", "layer"]),
    st.integers(5, 200),
)


@pytest.mark.slow
@settings(max_examples=20)
@given(*NETWORKS)
def test_every_number_is_the_theorys_at_its_setting(
    sigma_w: float, sigma_b: float, keep: float, norm: str, depth: int
) -> None:
    every_number(sigma_w, sigma_b, keep, norm, depth)


def test_every_number_of_one() -> None:
    every_number(1.1, 0.2236, 0.9, "layer", 40)


def every_number(sigma_w: float, sigma_b: float, keep: float, norm: str, depth: int) -> None:
    network = {"activation": "tanh", "sigma_w": sigma_w, "sigma_b": sigma_b, "keep": keep, "norm": norm}
    record = advise("mlp", depth, network)
    reach = record["predicted"]["reach"]
    assert reach == pytest.approx(6 * xi(network), rel=1e-9)
    assert record["verdict"] == ("trainable" if depth <= reach else "not trainable")
    for change in record["advice"]:
        if change["recommended"] is None:
            assert record["verdict"] != "trainable"
            assert change["best"]["reach"] < depth
            continue
        advised = network | {change["parameter"]: change["recommended"]["value"]}
        assert change["recommended"]["reach"] is None or 6 * xi(advised) >= depth * (1 - 1e-6)
        assert change["recommended"]["value"] == change["now"] or record["verdict"] != "trainable"
    json.dumps(record, allow_nan=False)


def test_the_values_of_sigma_w_lie_around_the_critical_point() -> None:
    (change,) = (one for one in advise("mlp", 60, {**TANH, "sigma_w": 1.1})["advice"] if one["parameter"] == "sigma_w")
    (span,) = change["intervals"]
    for end in (span["low"], span["high"]):
        assert 6 * xi({**TANH, "sigma_w": end}) == pytest.approx(60, rel=1e-5)
    assert span["low"] < 1.327 < span["high"]
    assert not change["recommended"]["fragile"]


def test_the_critical_point_has_no_limit_and_relu_above_it_no_scale() -> None:
    critical = advise("mlp", 1000, {"activation": "relu", "sigma_w": 2**0.5})
    assert (critical["verdict"], critical["predicted"]["reach"]) == ("trainable", None)
    assert "this is the critical point" in text(critical)
    beyond = advise("mlp", 10, {"activation": "relu", "sigma_w": 1.6, "sigma_b": 0.1})
    assert beyond["verdict"] is None
    assert "without bound" in text(beyond)


def test_kappa_is_that_of_the_phase() -> None:
    given = {**TANH, "kappa": 4.0, "kappa_vanishing": 8.0}
    ordered, chaotic = (advise("mlp", 50, {**given, "sigma_w": value}) for value in (1.1, 1.8))
    assert ordered["predicted"]["reach"] == pytest.approx(8 * ordered["predicted"]["depth_scale"])
    assert chaotic["predicted"]["reach"] == pytest.approx(4 * chaotic["predicted"]["depth_scale"])
    said = text(chaotic)
    assert "chaotic" in said
    assert "κ = 4, given" in said


def test_a_map_gives_kappa_of_both_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_map, "open_map", lambda _: a_map(kappa=3.0))
    record = advise("mlp", 40, {**TANH, "sigma_w": 1.1}, "x")
    ordered, chaotic = (record["kappa_by_phase"][phase] for phase in ("ordered", "chaotic"))
    assert ordered["value"] == pytest.approx(3, rel=0.1)
    assert chaotic["value"] == pytest.approx(6, rel=0.1)
    assert ordered["low"] < ordered["value"] < ordered["high"]
    assert record["predicted"]["reach"] == pytest.approx(ordered["value"] * record["predicted"]["depth_scale"])


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(InputError, match="--gamma: mlp has none"):
        advise("mlp", 10, {"gamma": 2.0})
    with pytest.raises(InputError, match="norm"):
        advise("mlp", 10, {"norm": "batch"})
    with pytest.raises(InputError, match="--keep"):
        advise("mlp", 10, {"keep": 2.0})
