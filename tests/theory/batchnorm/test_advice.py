"""Advice on γ, β, ε and the batch size, against brute-force scans of the theory on a fine grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.theory.batchnorm.advice import PARAMETERS, advise, limit, log_rate, predict
from phasemap.theory.batchnorm.fixed_point import critical_eps
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.errors import InputError

KAPPA = 16.0


def reached(setting: Setting) -> float:
    """16 ξ as `phasemap theory batchnorm` answers; 0 where BSB1 repels, so that ξ is nobody's depth scale."""
    record = batchnorm_record(setting.phi, int(setting.batch_size), eps=setting.eps, sigma_w=setting.sigma_w)
    return math.inf if record["regime"] == "critical" else KAPPA * (record["depth_scale"] or 0.0)


def brute_force(setting: Setting, parameter: str, values: np.ndarray, depth: int) -> list[bool]:
    """Whether 16 ξ ≥ depth at each value."""
    return [reached(setting.with_(parameter, float(value))) >= depth for value in values]


CASES = [
    (Setting("tanh", 64, eps=1e-3), "gamma", np.geomspace(0.02, 4.9, 25), 120),
    (Setting("tanh", 64, eps=0.0), "gamma", np.geomspace(0.02, 4.9, 61), 120),
    (Setting("tanh", 64, eps=1e-3), "eps", np.geomspace(1e-5, 9.0, 61), 120),
    (Setting("tanh", 64, gamma=2.0, eps=1e-3, sigma_w=0.7), "eps", np.geomspace(1e-5, 9.0, 41), 60),
    (Setting("tanh", 64, eps=0.3), "beta", np.linspace(-1.6, 1.6, 17), 120),
    (Setting("erf", 16, gamma=0.5, eps=1e-3), "batch_size", np.array([3, 5, 8, 11, 17, 33, 150, 3000]), 150),
    (Setting("relu", 64, eps=0.0), "beta", np.linspace(-0.9, 3.9, 25), 120),
    (Setting("relu", 64, eps=0.0), "batch_size", np.array([4, 8, 16, 64, 120, 150, 156, 157, 160, 300, 5000]), 41),
    (Setting("relu", 64, beta=2.0, eps=1e-3), "eps", np.geomspace(1e-5, 9.0, 61), 700),
    (Setting("identity", 64, eps=1e-3), "gamma", np.geomspace(0.016, 7.9, 41), 990),
]


@pytest.mark.parametrize(("setting", "parameter", "values", "depth"), CASES)
def test_the_intervals_are_those_of_a_brute_force_scan(
    setting: Setting, parameter: str, values: np.ndarray, depth: int
) -> None:
    found = advise(setting, parameter, KAPPA / depth)
    assert [any(float(value) in span for span in found.spans) for value in values] == brute_force(
        setting, parameter, values, depth
    )
    assert found.spans
    for span in found.spans:  # both edges are edges: on them it holds, a little further not
        for edge, is_open, sign in ((span.low, span.open_low, -1), (span.high, span.open_high, 1)):
            assert reached(setting.with_(parameter, edge)) >= depth
            if not is_open:
                step = 1.0 if parameter == "batch_size" else 1e-4 * abs(edge)
                assert reached(setting.with_(parameter, edge + sign * step)) < depth


@pytest.mark.slow
def test_a_costly_scan_finds_the_same_as_brute_force() -> None:
    """relu(z + β) with ε > 0, where ε = 0 chooses the points."""
    setting, depth = Setting("relu", 64, eps=1e-3), 120
    found = advise(setting, "beta", KAPPA / depth)
    values = np.array([0.95, 1.2, 3.5])
    assert [any(float(value) in span for span in found.spans) for value in values] == brute_force(
        setting, "beta", values, depth
    )
    (span,) = found.spans
    assert span.open_high
    assert reached(setting.with_("beta", span.low)) >= depth > reached(setting.with_("beta", span.low - 1e-3))


@settings(max_examples=4)
@given(depth=st.integers(70, 700), deeper=st.integers(10, 250))
def test_deeper_tanh_networks_need_a_smaller_gamma(depth: int, deeper: int) -> None:
    """Up to 983 layers, where even γ → 0 (the linear network, λ_G↓ = 62/61 at B = 64) ends."""
    setting = Setting("tanh", 64)
    edges = []
    for layers in (depth, depth + deeper):
        found = advise(setting, "gamma", KAPPA / layers)
        (span,) = found.spans
        assert span.open_low
        assert reached(setting.with_("gamma", span.high)) >= layers
        assert reached(setting.with_("gamma", 1.0001 * span.high)) < layers
        value = found.nearest(setting.gamma, True)
        assert value is not None
        assert reached(setting.with_("gamma", value)) >= layers
        edges.append(span.high)
    assert edges[1] < edges[0]


@settings(max_examples=4)
@given(depth=st.integers(45, 400), deeper=st.integers(5, 300))
def test_deeper_relu_networks_need_a_larger_beta(depth: int, deeper: int) -> None:
    setting = Setting("relu", 64)
    edges = []
    for layers in (depth, depth + deeper):
        (span,) = advise(setting, "beta", KAPPA / layers).spans
        assert reached(setting.with_("beta", span.low)) >= layers
        assert reached(setting.with_("beta", span.low - 1e-4)) < layers
        edges.append(span.low)
    assert edges[1] > edges[0]


@settings(max_examples=4)
@given(depth=st.integers(100, 5000), gamma=st.floats(0.5, 2.0), sigma_w=st.floats(0.5, 2.0))
def test_eps_is_a_wedge_around_its_critical_value(depth: int, gamma: float, sigma_w: float) -> None:
    """However narrow; above it the edge is known in closed form: 1/ln(ε/ε_c) = depth/16."""
    setting = Setting("tanh", 64, gamma=gamma, eps=1e-3, sigma_w=sigma_w)
    critical = critical_eps(setting.phi, 64, sigma_w)
    assert critical == pytest.approx((gamma * sigma_w) ** 2)
    span = advise(setting, "eps", KAPPA / depth).spans[-1]
    assert span.low < critical < span.high
    assert span.high == pytest.approx(critical * math.exp(KAPPA / depth), rel=1e-6)


def test_what_no_value_reaches_names_the_best() -> None:
    setting = Setting("relu", 64)
    found = advise(setting, "batch_size", KAPPA / 120)
    assert found.spans == ()
    assert found.best == found.high
    xi = limit(setting).xi
    assert xi is not None
    assert xi == pytest.approx(1 / math.log(math.pi / (math.pi - 1)), rel=1e-9)  # λ_G↓ = π/(π − 1) as B → ∞
    assert reached(setting.with_("batch_size", found.high)) == pytest.approx(KAPPA * xi, rel=1e-3)
    sharp = advise(Setting("tanh", 8), "beta", KAPPA / 5000)
    assert sharp.spans == ()
    assert sharp.best == 0.0


def test_relu_has_no_critical_eps_at_which_gradients_and_signal_both_last() -> None:
    """Above ε_c the gradients' rate passes through 1, but there the signal falls by ln 1.46 a layer."""
    setting = Setting("relu", 64, eps=1e-3)
    critical = critical_eps(setting.phi, 64)
    through_one = setting.with_("eps", 1.46 * critical)
    assert abs(math.log(batchnorm_record(through_one.phi, 64, eps=through_one.eps)["backward"]["G"])) < 0.03
    assert log_rate(through_one) == pytest.approx(-math.log(1.46), rel=1e-6)
    found = predict(through_one)
    assert found.signal_xi == pytest.approx(1 / math.log(1.46))
    assert found.governing_xi == found.signal_xi
    assert advise(setting, "eps", KAPPA / 120).spans == ()


def test_no_number_where_the_theory_has_none() -> None:
    repelled = predict(Setting("alpha-relu", 10, alpha=3.0))
    assert repelled.xi is None
    assert "repels" in repelled.reason
    assert math.isnan(log_rate(Setting("alpha-relu", 10, alpha=3.0)))
    assert predict(Setting("relu", 3)).xi is None
    critical = predict(Setting("tanh", 64, eps=1.0))
    assert critical.regime == "critical"
    assert critical.xi == math.inf
    with pytest.raises(InputError):
        predict(Setting("relu", 2))


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_the_error_given_is_above_the_error_made(name: str) -> None:
    """Against the same by another method of the theory."""
    setting = Setting(name, 24, gamma=0.9, beta=0.2)
    found = predict(setting)
    other = batchnorm_record(setting.phi, 24, method="spherical")["depth_scale"]
    assert found.xi == pytest.approx(other, rel=1e-9)
    assert 0 < found.error < 1e-6 * other
    assert set(PARAMETERS) == {"gamma", "beta", "eps", "batch_size"}
