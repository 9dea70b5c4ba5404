"""Advice on γ, β, ε and the batch size, against brute-force scans of the theory on a fine grid."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.theory.batchnorm.advice import PARAMETERS, Used, advise, critical, predict, rates, signal_left
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.errors import InputError

KAPPA = 16.0


def bears(depth: int, vanishing: float = KAPPA) -> Used:
    """What is used up at that depth, with 16 where gradients explode."""

    def used(setting: Setting) -> float:
        found = rates(setting)
        if found is None:
            return math.nan
        share = depth * (found.explosion / KAPPA + found.decay / vanishing)
        return -share if found.gradient < 0 else share

    return used


def reached(setting: Setting) -> float:
    """16 ξ as `phasemap theory batchnorm` answers; 0 where BSB1 repels, which is not advised."""
    eps, sigma_w = setting.eps, setting.sigma_w
    record = batchnorm_record(setting.phi, int(setting.batch_size), eps=eps, sigma_w=sigma_w, look_beyond=False)
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


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "parameter", "values", "depth"), CASES)
def test_the_intervals_are_those_of_a_brute_force_scan(
    setting: Setting, parameter: str, values: np.ndarray, depth: int
) -> None:
    found = advise(setting, parameter, bears(depth))
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
    found = advise(setting, "beta", bears(depth))
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
        found = advise(setting, "gamma", bears(layers))
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
        (span,) = advise(setting, "beta", bears(layers)).spans
        assert reached(setting.with_("beta", span.low)) >= layers
        assert reached(setting.with_("beta", span.low - 1e-4)) < layers
        edges.append(span.low)
    assert edges[1] > edges[0]


@settings(max_examples=3)
@given(
    depth=st.integers(100, 5000), vanishing=st.floats(2.0, 16.0), gamma=st.floats(0.5, 2.0), sigma_w=st.floats(0.5, 2)
)
def test_eps_is_a_wedge_around_its_critical_value(depth: int, vanishing: float, gamma: float, sigma_w: float) -> None:
    """However narrow; above it the edge is known in closed form, 1/ln(ε/ε_c) = depth/κ, and below it, it is that of 16,
    whatever κ is above."""
    setting = Setting("tanh", 64, gamma=gamma, eps=1e-3, sigma_w=sigma_w)
    at = critical(setting)
    assert at == pytest.approx((gamma * sigma_w) ** 2)
    span = advise(setting, "eps", bears(depth, vanishing)).spans[-1]
    assert span.low < at < span.high
    assert span.high == pytest.approx(at * math.exp(vanishing / depth), rel=1e-6)
    assert span.open_low or 0.99 * depth < reached(setting.with_("eps", span.low)) < 1.01 * depth


def test_what_no_value_reaches_names_the_best() -> None:
    setting = Setting("relu", 64)
    found = advise(setting, "batch_size", bears(120))
    assert found.spans == ()
    assert found.best == found.high
    xi = predict(replace(setting, batch_size=math.inf)).xi
    assert xi is not None
    assert xi == pytest.approx(1 / math.log(math.pi / (math.pi - 1)), rel=1e-9)  # λ_G↓ = π/(π − 1) as B → ∞
    assert reached(setting.with_("batch_size", found.high)) == pytest.approx(KAPPA * xi, rel=1e-3)
    sharp = advise(Setting("tanh", 8), "beta", bears(5000))
    assert sharp.spans == ()
    assert sharp.best == 0.0


def test_above_the_critical_eps_of_relu_gradients_explode_against_the_signal_as_much_as_at_it() -> None:
    """The gradients' own rate passes through 1 at 1.46 ε_c, but there the signal falls by ln 1.46 a layer."""
    setting = Setting("relu", 64, eps=1e-3)
    at = critical(setting)
    below = rates(setting.with_("eps", 0.999 * at))
    assert below is not None
    for factor in (1.0001, 1.05, 1.46, 3.0):
        found = rates(setting.with_("eps", factor * at))
        assert found is not None
        assert found.explosion == pytest.approx(below.explosion, rel=1e-3)
        assert found.decay == pytest.approx(max(math.log(factor), -found.gradient), rel=1e-9)
        assert signal_left(setting.with_("eps", factor * at)) == 0
    through_one = predict(setting.with_("eps", 1.46 * at))
    assert through_one.signal_xi == pytest.approx(1 / math.log(1.46))
    assert through_one.xi is not None
    assert through_one.xi > 30
    assert advise(setting, "eps", bears(120)).spans == ()


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_the_share_of_the_signal_that_gamma_and_eps_leave(name: str) -> None:
    """ReLU at ε = 0: γ²; above the critical ε nothing; in between it falls with ε. Against samples of one layer of
    20 000 neurons at the fixed point: the variance over the samples, within 4 standard errors."""
    whole = Setting(name, 64)
    assert signal_left(whole) == 1
    shares = [signal_left(whole.with_("eps", factor * critical(whole))) for factor in (0.01, 0.5, 0.9, 1.0, 2.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-2:] == [0, 0]
    smaller = Setting(name, 64, gamma=0.3)
    if name == "relu":
        assert signal_left(smaller) == pytest.approx(0.09)
    rng, spreads = np.random.default_rng(0), []
    for setting in (smaller, whole):
        y = rng.normal(size=(20_000, 64))  # at ε = 0 its size does not matter
        y -= y.mean(axis=1, keepdims=True)
        x = setting.phi.phi(y / np.sqrt(np.mean(y**2, axis=1, keepdims=True)))
        spreads.append(np.var(x, axis=1, ddof=1))
    left, error = (np.mean(spreads[0]) / np.mean(spreads[1]), [np.std(one) / np.mean(one) / 141 for one in spreads])
    assert abs(left - signal_left(smaller)) < 4 * left * math.hypot(*error)


@pytest.mark.parametrize(("name", "factor"), [("relu", 1.3), ("tanh", 1.3), ("leaky-relu", 1.1)])
def test_rates_of_a_collapsed_signal_against_sampled_layers(name: str, factor: float) -> None:
    """One layer of 20 000 neurons, with a signal that is 1e-6 of ε: its samples' spread after the layer, and a random
    gradient that goes back through W, φ and the Jacobian of BN. Within 4 standard errors over 8 layers."""
    setting = Setting(name, 16, slope=0.2)
    setting = setting.with_("eps", factor * critical(setting))
    found = rates(setting)
    assert found is not None
    rng, b, neurons = np.random.default_rng(0), 16, 20_000
    centre = np.eye(b) - 1 / b
    signal, gradient = [], []
    for _ in range(8):
        y = centre @ (np.sqrt(1e-6 * setting.eps) * rng.normal(size=(b, neurons)))
        variance = np.mean(y**2, axis=0)
        scale = np.sqrt(variance + setting.eps)
        x = setting.phi.phi(y / scale)
        signal.append(np.log(np.sum((centre @ x) ** 2) / np.sum(y**2)))  # W of variance 1/N keeps the mean square
        arriving = centre @ rng.normal(size=(b, neurons))  # from the next layer's BN
        back = setting.phi.derivative(y / scale) * arriving
        through = centre @ (back - y * np.mean(y * back, axis=0) / scale**2) / scale
        gradient.append(np.log(np.sum(through**2) / np.sum(arriving**2)))
    for sampled, expected in ((signal, found.signal), (gradient, found.gradient)):
        error = np.std(sampled, ddof=1) / math.sqrt(len(sampled))
        assert abs(np.mean(sampled) - expected) < 4 * error + 1e-5  # and the signal's share of ε


def test_no_number_where_the_theory_has_none() -> None:
    assert rates(Setting("alpha-relu", 10, alpha=3.0)) is None  # BSB1 repels
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
