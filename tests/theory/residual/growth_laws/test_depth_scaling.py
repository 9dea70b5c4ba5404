"""The limits of residual networks of depth L → ∞ with variances scaled by L: the recurrences go there, as 1/L."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.residual.growth_laws.decay import Decay
from phasemap.theory.residual.growth_laws.depth_scaling import relu_depth_limit
from phasemap.theory.residual.quantities import log_gradient_spread, log_gradient_sum
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace
from tests import ROOT

P0 = 1.3


def scaled(name: str, depth: int, decay: dict[str, float], deltas: dict[str, float], **options: Any) -> ResidualTrace:
    scaling = {f"depth_scaling_{letter}": delta for letter, delta in deltas.items()}
    return residual_recurrence(activation(name), depth, p0=P0, **decay, **scaling, **options)


@pytest.mark.parametrize(
    ("decay", "deltas"),
    [
        ({}, {"v": 1.0, "a": 1.0}),
        pytest.param({"sigma_a": 0.0}, {"v": 1.0}, marks=pytest.mark.slow),
        ({"sigma_v": 1.2, "sigma_b": 0.5, "sigma_w": 0.8}, {"v": 0.5, "w": 0.5, "b": 0.5, "a": 1.0}),
        pytest.param({"sigma_b": 0.0, "sigma_a": 0.0}, {"w": 1.0}, marks=pytest.mark.slow),
        pytest.param({"sigma_v": 2.0, "sigma_b": 0.0}, {"v": 2.0, "a": 1.0}, marks=pytest.mark.slow),
    ],
)
def test_the_recurrence_goes_to_the_limit_as_one_over_depth(decay: dict[str, float], deltas: dict[str, float]) -> None:
    """Twice the depth halves the distance, and Richardson's extrapolation leaves its square."""
    limit = relu_depth_limit(Decay(**decay), deltas, P0)
    for name, expected in (("p", limit.p), ("chi", limit.chi)):
        ends = [scaled("relu", depth, decay, deltas) for depth in (400, 800, 1600)]
        values = np.array([trace.p[-1] if name == "p" else trace.chi[0] for trace in ends])
        away = expected - values
        np.testing.assert_allclose(away[:-1] / away[1:], 2, rtol=5 / 400)
        assert 2 * values[2] - values[1] == pytest.approx(expected, rel=abs(away[1] / expected) ** 2 * 5)


def test_without_biases_p_is_multiplied_by_the_exponential_of_w_r() -> None:
    limit = relu_depth_limit(Decay(sigma_v=1.5, sigma_b=0.0, sigma_a=0.0), {"v": 1.0}, P0)
    assert limit.p == pytest.approx(P0 * math.exp(1.5**2 / 2))
    assert limit.chi == pytest.approx(math.exp(1.5**2 / 2))
    trace = scaled("relu", 50, {"sigma_v": 1.5, "sigma_b": 0.0, "sigma_a": 0.0}, {"v": 1.0})
    assert trace.p[-1] == pytest.approx(P0 * (1 + 1.5**2 / 2 / 50) ** 50)  # exactly, at any depth


@given(st.floats(0.1, 2), st.floats(0, 2), st.floats(0, 2), st.floats(0.1, 2))
def test_with_biases_it_is_the_closed_form_of_a_linear_equation(v: float, b: float, a: float, w: float) -> None:
    rate, added = (v * w) ** 2 / 2, (v * b) ** 2 / 2 + a**2
    limit = relu_depth_limit(Decay(sigma_v=v, sigma_b=b, sigma_a=a, sigma_w=w), {"v": 1.0, "a": 1.0}, P0)
    assert limit.p == pytest.approx(P0 * math.exp(rate) + added * math.expm1(rate) / rate, rel=1e-9)


@pytest.mark.parametrize(("beta_v", "beta_a"), [(0.3, 0.4), pytest.param(0.1, 0.0, marks=pytest.mark.slow)])
def test_scaling_and_decay_add_up(beta_v: float, beta_a: float) -> None:
    """δ + β = 1 again: the distance falls with L^(−δ), the slowest of the errors of the Riemann sums."""
    decay, deltas = {"beta_v": beta_v, "beta_a": beta_a}, {"v": 1 - beta_v, "a": 1 - beta_a}
    limit = relu_depth_limit(Decay(**decay), deltas, P0)
    depths = np.array([1000, 2000, 4000])
    ends = [scaled("relu", int(depth), decay, deltas) for depth in depths]
    away = np.abs([limit.p - trace.p[-1] for trace in ends])
    slowest = min(deltas.values())
    np.testing.assert_allclose(np.log2(away[:-1] / away[1:]), slowest, atol=0.1)
    assert away[-1] < 0.05 * limit.p


@pytest.mark.parametrize(
    ("deltas", "exponent"),
    [
        ({"v": 0.5, "a": 1.0}, 0.5),
        pytest.param({"v": 0.3, "w": 0.3, "b": 0.7, "a": 1.0}, 0.4, marks=pytest.mark.slow),
    ],
)
def test_below_one_log_p_grows_as_the_depth_to_what_is_missing(deltas: dict[str, float], exponent: float) -> None:
    """log p ~ W_r·L^(1−D), D = δ_v + δ_w."""
    assert relu_depth_limit(Decay(), deltas).p == relu_depth_limit(Decay(), deltas).chi == math.inf
    depths = (5_000, 20_000)
    logs = [scaled("relu", depth, {}, deltas).log_gradient_ratio()[-1] for depth in depths]
    for depth, log in zip(depths, logs, strict=True):
        assert log == pytest.approx(0.5 * depth**exponent, rel=0.5 * depth ** (exponent - 1))


def test_the_bias_a_alone_lets_p_grow_as_the_depth() -> None:
    """σ_v² ∝ 1/L but σ_a² constant: p grows linearly, as E(t) of each of L biases is added; χ stays bounded."""
    limit = relu_depth_limit(Decay(), {"v": 1.0})
    assert (limit.p, limit.chi) == (math.inf, pytest.approx(math.exp(0.5)))
    p = scaled("relu", 4000, {}, {"v": 1.0}).p[-1]
    assert p / 4000 == pytest.approx(math.expm1(0.5) / 0.5, rel=2e-3)


@pytest.mark.parametrize("name", ["relu", pytest.param("tanh", marks=pytest.mark.slow)])
def test_the_sum_and_the_spread_of_gradients_grow_as_the_depth(name: str) -> None:
    """At δ_v = δ_a = 1, where p and χ do not: L blocks add χ_v of order 1, and χ_b is of order 1/L; with w and v at ½
    both grow as √L."""
    both = {"v": 0.5, "w": 0.5, "b": 0.5, "a": 1.0}
    for deltas, spread_power in (({"v": 1.0, "a": 1.0}, 1.0), (both, 0.5)):
        short, long = (scaled(name, depth, {}, deltas) for depth in (1000, 4000))
        grown = log_gradient_spread(long)[-1] - log_gradient_spread(short)[-1]
        assert grown == pytest.approx(spread_power * math.log(4), abs=0.05)
        if spread_power == 1:
            sums = [log_gradient_sum(trace)[-1] for trace in (short, long)]
            assert sums[1] - sums[0] == pytest.approx(math.log(4), abs=0.01)


@pytest.mark.parametrize("depth", [1, 30, 1000])
def test_tanh_is_bounded_too(depth: int) -> None:
    """V tanh ≤ 1 and V tanh′ ≤ 1 give p ≤ p0 + σ_v² + σ_a² and χ^(0)/χ^(L) ≤ exp(σ_v²σ_w²).

    W(q, λ) is convex in λ with slope Vφ′(q) at λ = q, so D(q, t) ≤ t·Vφ′(q), and s grows no faster than χ.
    """
    trace = scaled("tanh", depth, {"sigma_v": 1.4, "sigma_w": 1.1, "sigma_a": 0.6}, {"v": 1.0, "a": 1.0})
    assert trace.p[-1] <= P0 + 1.4**2 + 0.6**2
    assert trace.chi[0] <= math.exp(1.4**2 * 1.1**2)
    assert trace.s[-1] <= trace.s[0] * trace.chi[0] * (1 + 1e-12)


def test_where_the_first_layers_decide_there_is_no_such_limit() -> None:
    with pytest.raises(InputError, match="expected less than 1"):
        relu_depth_limit(Decay(beta_v=1.0), {"v": 1.0})
    assert relu_depth_limit(Decay(sigma_a=0.0, beta_a=2.0), {"v": 1.0}).p < math.inf


PAGE_ROWS: dict[str, dict[str, float]] = {
    "no scaling": {},
    "δ_v = δ_a = 1": {"depth_scaling_v": 1.0, "depth_scaling_a": 1.0},
    "δ_w = δ_v = δ_b = ½, δ_a = 1": {f"depth_scaling_{name}": 1.0 if name == "a" else 0.5 for name in "wbva"},
    "β_v = β_a = 1": {"beta_v": 1.0, "beta_a": 1.0},
}


@pytest.mark.parametrize("row", PAGE_ROWS)
def test_the_pages_table(row: str) -> None:
    """log p and the log gradient spread of relu, then of tanh, each at depths 100 and 1000, to the digits printed."""
    page = (ROOT / "docs/theory-resnet.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {row} |"))
    printed = [number for cell in line.strip(" |").split(" | ")[1:] for number in cell.split(", ")]
    found = []
    for name in ("relu", "tanh"):
        traces = [residual_recurrence(activation(name), depth, gamma0=0.29, **PAGE_ROWS[row]) for depth in (100, 1000)]
        found += [trace.log_p[-1] for trace in traces] + [log_gradient_spread(trace)[-1] for trace in traces]
    digits = [len(number.partition(".")[2]) for number in printed]
    assert printed == [f"{value:.{places}f}" for value, places in zip(found, digits, strict=True)]
