"""Wφ′ by closed forms against the derivative of Wφ (Price's theorem) and against sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.theory.activations import activation
from phasemap.theory.integrals.gaussian_transforms import moments
from phasemap.theory.integrals.slope_covariance import slope_covariance

CLOSED = ("relu", "leaky-relu", "abs", "identity", "tanh", "erf", "sin")


def _at(name: str, variance: float, correlation: float) -> float:
    q, t, lam = (np.array([x]) for x in (variance, variance * (1 - correlation), variance * correlation))
    return float(slope_covariance(activation(name), q, t, lam)[0])


@pytest.mark.parametrize("name", CLOSED)
@given(variance=st.floats(0.05, 50), correlation=st.floats(-0.95, 0.95))
def test_it_is_the_derivative_of_the_covariance(name: str, variance: float, correlation: float) -> None:
    step = 1e-4 * variance
    ends = moments(activation(name), variance, variance * correlation + np.array([-step, step])).w
    assert _at(name, variance, correlation) == pytest.approx(np.diff(ends)[0] / (2 * step), rel=2e-5, abs=1e-7)


@pytest.mark.parametrize("name", [*CLOSED, "gelu"])
def test_one_input_has_the_mean_square_slope(name: str) -> None:
    assert _at(name, 1.7, 1.0) == pytest.approx(float(moments(activation(name), 1.7, 1.7).v_derivative), rel=1e-10)


@pytest.mark.parametrize("name", ["relu", "leaky-relu", "tanh", "gelu", "softplus"])
def test_sampled(name: str) -> None:
    phi, random = activation(name), np.random.default_rng(0)
    z = np.sqrt(2.3) * random.standard_normal((2, 200_000))
    z[1] = 0.6 * z[0] + 0.8 * z[1]
    products = np.prod(phi.derivative(z), axis=0)
    assert abs(products.mean() - _at(name, 2.3, 0.6)) < 4 * products.std() / np.sqrt(products.size)


def test_quadrature_agrees_with_the_closed_form() -> None:
    """A scaled tanh goes through quadrature: φ(z) = tanh(z/2) at variance 4q is tanh at q, its slope half."""
    q, lam = np.array([4.0, 40.0]), np.array([1.0, -30.0])
    scaled = slope_covariance(activation("tanh", scale=0.5), q, q - lam, lam)
    closed = slope_covariance(activation("tanh"), q / 4, (q - lam) / 4, lam / 4)
    np.testing.assert_allclose(scaled, closed / 4, rtol=1e-9)
