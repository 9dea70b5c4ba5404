"""Theorems as properties over random activations: linear φ explodes least, identity decorrelates least, invariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.theory.activations import Activation, activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scales, gradient_explosion_rate
from phasemap.theory.batchnorm.infinite_batch import infinite_batch
from phasemap.theory.batchnorm.record import batchnorm_record

BATCH = st.sampled_from([4, 5, 8, 20, 100, 1000])
NONLINEAR = st.floats(0.05, 2).map(float) | st.floats(-2, -0.05)


UNIT = st.floats(-1, 1)
SMOOTH = st.tuples(UNIT, UNIT, NONLINEAR, UNIT, st.floats(0.5, 3), st.floats(0.5, 2), st.floats(0, 3))


def smooth(parameters: tuple[float, ...]) -> Activation:
    """A smooth non-linear φ = linear + tanh + sin + constant. (Built outside the strategy, as type checks draw too.)"""
    slope, constant, p, q, gain, frequency, phase = parameters

    def phi(z: np.ndarray) -> np.ndarray:
        return constant + slope * z + p * np.tanh(gain * z + phase) + q * np.sin(frequency * z)

    def derivative(z: np.ndarray) -> np.ndarray:
        bell = 1 / np.cosh(np.clip(gain * z + phase, -300, 300)) ** 2
        return slope + p * gain * bell + q * frequency * np.cos(frequency * z)

    return Activation("random", phi, derivative, label="random")


def eigenvalues(record: dict[str, Any]) -> list[float]:
    values = [record[side][key] for side in ("forward", "backward") for key in "GLM"]
    return [*values, record["cross_batch"]["rate"]]


@settings(max_examples=40)
@given(parameters=SMOOTH, batch_size=BATCH)
def test_only_linear_activations_reach_the_least_explosion_rate(parameters: tuple[float, ...], batch_size: int) -> None:
    phi = smooth(parameters)
    least = (batch_size - 2) / (batch_size - 3)  # Thm 3.9
    assert gradient_explosion_rate(phi, batch_size) > least * (1 + 1e-9)


@settings(max_examples=20)
@given(slope=st.floats(0.1, 3), constant=st.floats(-3, 3), batch_size=BATCH)
def test_linear_activations_do_reach_it(slope: float, constant: float, batch_size: int) -> None:
    phi = activation("identity", scale=slope, shift=constant)
    least = (batch_size - 2) / (batch_size - 3)
    assert gradient_explosion_rate(phi, batch_size) == pytest.approx(least, rel=1e-11)


@settings(max_examples=40)
@given(parameters=SMOOTH, batch_size=BATCH)
def test_the_identity_decorrelates_batches_least(parameters: tuple[float, ...], batch_size: int) -> None:
    phi = smooth(parameters)
    largest = batchnorm_record(activation("identity"), batch_size)["cross_batch"]["rate"]  # Cor I.6
    assert batchnorm_record(phi, batch_size)["cross_batch"]["rate"] < largest < 1


@settings(max_examples=20)
@given(parameters=SMOOTH, batch_size=BATCH, factor=NONLINEAR, constant=st.floats(-3, 3))
def test_scaling_shifting_and_reflecting_phi_changes_no_eigenvalue(
    parameters: tuple[float, ...], batch_size: int, factor: float, constant: float
) -> None:
    phi = smooth(parameters)
    other = Activation(
        "other",
        lambda z: factor * phi.phi(-z) + constant,
        lambda z: -factor * phi.derivative(-z),
        label="other",
    )
    left, right = (batchnorm_record(a, batch_size) for a in (phi, other))
    assert np.allclose(eigenvalues(left), eigenvalues(right), rtol=1e-8, atol=1e-10)


@settings(max_examples=15)
@given(parameters=SMOOTH, eps=st.sampled_from([0.0, 0.1]))
def test_large_batches_tend_to_the_limit(parameters: tuple[float, ...], eps: float) -> None:
    phi = smooth(parameters)
    limit, record = infinite_batch(phi, eps=eps), batchnorm_record(phi, 4096, eps=eps)
    assert record["backward"]["G"] == pytest.approx(limit.backward.G, rel=0.02)
    assert record["cross_batch"]["rate"] == pytest.approx(limit.rate, rel=0.02, abs=1e-3)


@pytest.mark.slow
@settings(max_examples=15)
@given(sigma_w=st.floats(0.1, 5), sigma_b=st.just(0.0) | st.floats(1e-3, 3), batch_size=BATCH)
def test_weight_and_bias_scales_drop_out_without_eps(sigma_w: float, sigma_b: float, batch_size: int) -> None:
    phi = activation("tanh", shift=0.4)
    plain, scaled = (
        batchnorm_record(phi, batch_size),
        batchnorm_record(phi, batch_size, sigma_w=sigma_w, sigma_b=sigma_b),
    )
    assert np.allclose(eigenvalues(plain), eigenvalues(scaled), rtol=1e-12, atol=1e-15)
    assert scaled["mu_star"] == pytest.approx(sigma_w**2 * plain["mu_star"], rel=1e-12)
    assert scaled["q_star"] == pytest.approx(sigma_w**2 * plain["q_star"] + sigma_b**2, rel=1e-12)


@pytest.mark.parametrize("name", ["relu", "tanh", "identity"])
def test_the_depth_scale_grows_with_the_batch(name: str) -> None:
    assert np.all(np.diff(depth_scales(activation(name), np.array([4, 5, 6, 8, 12, 20, 64, 500, 4096]))) > 0)
