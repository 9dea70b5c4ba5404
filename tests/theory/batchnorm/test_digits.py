"""``digits`` never promises more than the true error allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.theory.activations import Activation, activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.batchnorm.moments.gegenbauer import gegenbauer_moments
from phasemap.theory.batchnorm.record import batchnorm_record


def numbers(record: dict[str, Any]) -> dict[str, float]:
    flat = {key: record[key] for key in ("q_star", "mu_star", "depth_scale")}
    for side in ("forward", "backward", "cross_batch"):
        flat |= {f"{side}.{key}": value for key, value in record[side].items()}
    return {key: value for key, value in flat.items() if value}


def assert_honest(record: dict[str, Any], reference: dict[str, float], slack: float = 0.0) -> None:
    """Every number is right to the digits that the record promises."""
    for key, value in numbers(record).items():
        if key in reference:
            allowed = 10.0 ** -record["digits"] + slack
            assert abs(value - reference[key]) <= allowed * abs(reference[key]), key


def exact(a: float, b: float, alpha: float, batch_size: int) -> dict[str, float]:
    """Thms F.8, F.33, G.12, H.14 in 40 digits, with J_φ from its integral (Defn E.9)."""
    with mp.workdps(40):
        al, size = mp.mpf(alpha), mp.mpf(batch_size)
        c0 = -1 / (size - 1)

        def kernel(power: Any, c: Any) -> Any:  # J_α
            theta = mp.acos(c)
            c_power = mp.mpf(2) ** (power - 1) * mp.gamma(power + mp.mpf(1) / 2) / mp.sqrt(mp.pi)
            inner = mp.quad(
                lambda e: mp.fabs(mp.cos(e)) ** power / (1 - c * mp.cos(e)) ** (1 + power), [0, mp.pi / 4, mp.pi / 2]
            )
            return mp.sin(theta) ** (2 * power + 1) * mp.gamma(power + 1) / (2 * mp.pi * c_power) * inner

        def j(c: Any) -> Any:
            return (a * a + b * b) * kernel(al, c) - 2 * a * b * kernel(al, -c)

        def slope(c: Any) -> Any:
            return mp.diff(j, c)

        one, at, rise = mp.mpf(a * a + b * b), j(c0), slope(c0)
        c_alpha = mp.mpf(2) ** (al - 1) * mp.gamma(al + mp.mpf(1) / 2) / mp.sqrt(mp.pi)
        k = c_alpha * ((size - 1) / 2) ** al * mp.gamma((size - 1) / 2) / mp.gamma((size - 1) / 2 + al)
        rate = (size - 3 + 2 * al) * ((2 * al - 1) * rise + al**2 * (size - 1) * one)
        rate = rate / ((2 * al - 1) * (size - 3) * (size - 1) * (one - at)) - al**2 / (size - 3)
        ratio = rise / (one - at)
        poch = mp.gamma(size / 2 + al / 2) / mp.gamma(size / 2)
        cross = size / 2 * ((size - 1) / 2) ** (al - 1) / poch**2 / (k * (one - at)) * c_alpha * slope(mp.mpf(0))
        values = {
            "q_star": k * one,
            "mu_star": k * (one - at),
            "forward.L": ((size - 2) * al + size * ratio / (size - 1)) / (size - 1 + 2 * al),
            "forward.M": size * ratio / (size - 1 + 2 * al),
            "backward.G": rate,
            "depth_scale": 1 / mp.log(rate),
            "cross_batch.rate": cross,
        }
        return {key: float(value) for key, value in values.items()}


@pytest.mark.parametrize("batch_size", [4, 64, 4096])
@pytest.mark.parametrize(
    ("name", "options", "a", "b", "alpha"),
    [
        ("relu", {}, 1.0, 0.0, 1.0),
        ("leaky-relu", {"slope": 0.5}, 1.0, 0.5, 1.0),
        ("alpha-relu", {"alpha": 2.5}, 1.0, 0.0, 2.5),
    ],
)
def test_closed_forms_against_forty_digits(
    name: str, options: dict[str, float], a: float, b: float, alpha: float, batch_size: int
) -> None:
    record = batchnorm_record(activation(name, **options), batch_size)
    assert record["digits"] >= 11
    assert_honest(record, exact(a, b, alpha, batch_size), slack=2e-15)


@pytest.mark.parametrize("batch_size", [5, 16, 128])
@pytest.mark.parametrize("name", ["relu", "abs", "leaky-relu"])
def test_a_kink_that_was_not_declared_costs_digits_and_is_admitted(name: str, batch_size: int) -> None:
    for shift in (0.0, 0.3):
        phi = activation(name, slope=0.2, shift=shift)
        reference = numbers(batchnorm_record(phi, batch_size))
        careless = batchnorm_record(replace(phi, kinks=(), degree=None), batch_size)
        assert careless["digits"] <= 8 or shift == 0  # a kink at 0 may fall between quadrature nodes by luck
        assert_honest(careless, reference, slack=1e-12)


COEFFICIENT = st.floats(-2, 2)


RANDOM = st.tuples(
    st.floats(0.1, 12), st.floats(0.1, 4), COEFFICIENT, COEFFICIENT, COEFFICIENT, COEFFICIENT, st.floats(0.1, 1)
)


def mixed(parameters: tuple[float, ...], declared: bool) -> Activation:
    """A sum of tanh, sin and a kinked line of random steepness; the kink declared or not."""
    gain, frequency, p, q, r, kink, linear = parameters

    def phi(z: np.ndarray) -> np.ndarray:
        return linear * z + p * np.tanh(gain * z) + q * np.sin(frequency * z) + r * np.maximum(z - kink, 0)

    def derivative(z: np.ndarray) -> np.ndarray:
        slope = linear + p * gain / np.cosh(np.clip(gain * z, -300, 300)) ** 2
        return slope + q * frequency * np.cos(frequency * z) + r * (z > kink)

    return Activation("random", phi, derivative, (kink,) if declared and r else (), label="random")


@settings(max_examples=14)
@given(parameters=RANDOM, declared=st.booleans(), batch_size=st.sampled_from([4, 6, 12, 20, 64, 500]))
def test_two_methods_differ_by_no_more_than_they_admit(
    parameters: tuple[float, ...], declared: bool, batch_size: int
) -> None:
    phi = mixed(parameters, declared)
    series = batchnorm_record(phi, batch_size, method="gegenbauer")
    quadrature = batchnorm_record(phi, batch_size, method="spherical")
    if series["mu_star"] is None or quadrature["mu_star"] is None:
        return
    left, right = numbers(series), numbers(quadrature)
    for key in left.keys() & right.keys():
        allowed = 10.0 ** -series["digits"] * abs(left[key]) + 10.0 ** -quadrature["digits"] * abs(right[key])
        assert abs(left[key] - right[key]) <= allowed + 1e-13, key


@settings(max_examples=15)
@given(gain=st.floats(0.05, 10), batch_size=st.sampled_from([4, 8, 64, 2000]))
def test_the_depth_scale_keeps_nine_digits(gain: float, batch_size: int) -> None:
    scale = depth_scale(activation("tanh", scale=gain), batch_size)
    assert scale.error < 1e-9 * scale.xi


@settings(max_examples=3)
@given(gain=st.floats(0.2, 4), batch_size=st.sampled_from([4, 8, 64, 2000]), eps=st.sampled_from([1e-3, 0.02]))
def test_the_depth_scale_with_eps_by_another_method(gain: float, batch_size: int, eps: float) -> None:
    phi = activation("tanh", scale=gain)
    scale, record = depth_scale(phi, batch_size, eps=eps), batchnorm_record(phi, batch_size, eps=eps)
    mu = np.linspace(0.9, 1.1, 3) * record["mu_star"]
    assert record["mu_star"] > 0
    growth = [spread(phi, batch_size, eps, float(m)) / m for m in mu]
    assert growth[0] > growth[1] > growth[2]
    assert growth[1] == pytest.approx(1, abs=1e-9)
    assert scale.error < 1e-9 * scale.xi


def spread(phi: Activation, batch_size: int, eps: float, mu: float) -> float:
    """g(μ) by the series at every radius of a fine equidistant rule, without interpolation."""
    d = batch_size - 1
    rho = np.linspace(max(np.sqrt(d) - 9, 0), np.sqrt(d) + 9, 601)[1:]
    log_weight = (d - 1) * np.log(rho) - rho**2 / 2
    weight = np.exp(log_weight - log_weight.max())
    variance = mu * rho**2 / batch_size
    moments, _ = gegenbauer_moments(phi, batch_size, np.sqrt(variance / (variance + eps)))
    return float(np.sum(weight * (moments.ff - moments.f00)) / weight.sum())
