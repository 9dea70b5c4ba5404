"""Laws of the theory over random activations and settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.theory.activations import Activation, activation, as_activation
from phasemap.theory.mlp.correlation_map import next_distance
from phasemap.theory.mlp.fixed_lengths import Where
from phasemap.theory.mlp.setting import Setting
from phasemap.theory.mlp.solution import Solution, solve
from phasemap.theory.mlp.transients import transient

NAMES = ("tanh", "relu", "leaky-relu", "erf", "sin", "abs")
SCALES = {"sigma_w": st.floats(0.3, 3), "sigma_b": st.just(0.0) | st.floats(0.05, 2)}
NORMS = st.sampled_from([{}, {"norm": "layer"}, {"norm": "layer", "eps": 0.3}])
KEEP = st.just(1.0) | st.floats(0.3, 1)


def bent(parameters: tuple[float, float, float]) -> Activation:
    """A smooth φ that needs quadrature, bounded but for a line."""
    line, shift, gain = parameters
    return Activation(
        "bent",
        lambda z: line * z + np.tanh(gain * z + shift),
        lambda z: line + gain / np.cosh(np.clip(gain * z + shift, -300, 300)) ** 2,
        label="bent",
    )


BENT = st.tuples(st.floats(0, 0.3), st.floats(-1, 1), st.floats(0.5, 2))


def laws(phi: Any, found: Solution, given_: dict[str, Any]) -> None:
    """What holds of every finite fixed point."""
    if found.where != Where.FINITE:
        return
    phi, setting = as_activation(phi), Setting.of(**given_)
    q = np.atleast_1d(found.q_star)
    seen = setting.seen(q)

    def after(delta: float) -> float:
        return float(next_distance(phi, setting, seen, q, np.array([delta]))[0])

    assert abs(found.length_rate) < 1 + 1e-12
    if found.keep == 1:
        assert after(1e-8) / 1e-8 == pytest.approx(float(found.chi_1), rel=2e-4)  # the slope at c = 1
        assert (found.distance == 0) == (found.chi_1 <= 1 + 1e-12)
    else:
        assert found.distance > 0
    assert found.chi_c <= 1 + 1e-12  # c* attracts
    assert found.chi_c <= found.chi_1 * (1 + 1e-12)
    if found.distance > 0:
        assert after(float(found.distance)) == pytest.approx(float(found.distance), rel=1e-9)


@settings(max_examples=60)
@given(name=st.sampled_from(NAMES), keep=KEEP, norm=NORMS, **SCALES)
def test_laws(name: str, keep: float, norm: dict, sigma_w: float, sigma_b: float) -> None:
    given_ = {"sigma_w": sigma_w, "sigma_b": sigma_b, "keep": keep, **norm}
    laws(name, solve(name, **given_), given_)


@pytest.mark.slow
@settings(max_examples=60)
@given(parameters=BENT, keep=KEEP, norm=NORMS, **SCALES)
def test_laws_by_quadrature(parameters: tuple, keep: float, norm: dict, sigma_w: float, sigma_b: float) -> None:
    given_ = {"sigma_w": sigma_w, "sigma_b": sigma_b, "keep": keep, **norm}
    phi = bent(parameters)
    laws(phi, solve(phi, **given_), given_)


def same(one: Solution, other: Solution, factor: float = 1.0) -> None:
    """Two solutions whose lengths differ by a factor."""
    assert one.where == other.where
    np.testing.assert_allclose(one.q_star, other.q_star * factor, rtol=1e-9)
    for name in ("length_rate", "chi_1", "chi_c"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-8)
    np.testing.assert_allclose(one.distance, other.distance, atol=1e-8)


@settings(max_examples=30)
@given(t=st.floats(0.1, 10), keep=KEEP, sigma_w=st.floats(0.3, 1.2), sigma_b=st.floats(0.05, 2))
def test_relu_has_no_scale(t: float, keep: float, sigma_w: float, sigma_b: float) -> None:
    same(solve("relu", sigma_w, t * sigma_b, keep=keep), solve("relu", sigma_w, sigma_b, keep=keep), t**2)


@settings(max_examples=30)
@given(t=st.floats(0.2, 5), sigma_w=st.floats(0.3, 3), sigma_b=st.floats(0.05, 2), eps=st.floats(0, 1))
def test_layer_normalisation_has_no_scale(t: float, sigma_w: float, sigma_b: float, eps: float) -> None:
    """σ_w, σ_b and √ε times t: q* is t² times as large, and nothing else changes."""
    eps = eps if eps > 1e-20 else 0.0
    scaled = solve("tanh", t * sigma_w, t * sigma_b, norm="layer", eps=t**2 * eps)
    same(scaled, solve("tanh", sigma_w, sigma_b, norm="layer", eps=eps), t**2)


@settings(max_examples=20)
@given(name=st.sampled_from(NAMES), keep=KEEP, norm=NORMS, c0=st.floats(0, 0.99), **SCALES)
def test_transients_end_at_the_fixed_point(
    name: str, keep: float, norm: dict, c0: float, sigma_w: float, sigma_b: float
) -> None:
    given_ = {"sigma_w": sigma_w, "sigma_b": sigma_b, "keep": keep, **norm}
    found = solve(name, **given_)
    slowest = max(float(found.length_rate), float(found.chi_c)) if found.where == Where.FINITE else 1.0
    if slowest > 0.9 or found.q_star < 1e-6:
        return
    path = transient(name, 400, c0=c0, **given_)
    assert path.q[-1] == pytest.approx(float(found.q_star), rel=1e-9)
    if c0 < 0.95:  # nearer to c = 1 a chaotic network needs more layers
        assert path.c[-1] == pytest.approx(float(found.c_star), abs=1e-7)


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "selu", "sigmoid", "identity"])
def test_a_scalar_is_an_array_of_one(name: str) -> None:
    phi = activation(name)
    plane = solve(phi, [[0.5], [1.3]], [0.0, 0.4, 2.0], keep=0.9)
    for i, sigma_w in enumerate([0.5, 1.3]):
        for j, sigma_b in enumerate([0.0, 0.4, 2.0]):
            one = solve(phi, sigma_w, sigma_b, keep=0.9)
            for quantity in ("q_star", "c_star", "chi_c", "xi_c", "regime"):
                where, alone = getattr(plane, quantity)[i, j], getattr(one, quantity)
                assert (
                    where == alone
                    if quantity == "regime"
                    else where == pytest.approx(float(alone), rel=1e-11, abs=1e-13, nan_ok=True)
                )
