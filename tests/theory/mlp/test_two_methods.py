"""Every number of the theory against a second method, to ten digits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from phasemap.theory.activations import activation
from phasemap.theory.integrals.length_moments import length_moments
from phasemap.theory.mlp.critical_line import critical_point
from phasemap.theory.mlp.solution import solve
from tests.theory.mlp.second_method import expectation, solved

PLACES = [
    ("tanh", {"sigma_w": 1.2, "sigma_b": 0.3, "keep": 1.0, "eps": None}),
    ("tanh", {"sigma_w": 1.7, "sigma_b": 0.2, "keep": 1.0, "eps": None}),
    ("tanh", {"sigma_w": 1.7, "sigma_b": 0.2, "keep": 0.8, "eps": None}),
    ("tanh", {"sigma_w": 1.7, "sigma_b": 0.2, "keep": 0.8, "eps": 0.3}),
    ("erf", {"sigma_w": 1.4, "sigma_b": 0.5, "keep": 1.0, "eps": None}),
    ("erf", {"sigma_w": 2.5, "sigma_b": 0.5, "keep": 1.0, "eps": 0.1}),
    ("sin", {"sigma_w": 1.6, "sigma_b": 0.3, "keep": 1.0, "eps": None}),
    ("sin", {"sigma_w": 1.1, "sigma_b": 0.3, "keep": 0.9, "eps": None}),
    ("gelu", {"sigma_w": 1.3, "sigma_b": 0.4, "keep": 0.9, "eps": None}),
    ("gelu", {"sigma_w": 3.0, "sigma_b": 0.4, "keep": 1.0, "eps": 0.2}),
    ("silu", {"sigma_w": 1.2, "sigma_b": 0.4, "keep": 0.7, "eps": None}),
    ("softplus", {"sigma_w": 0.9, "sigma_b": 0.4, "keep": 0.9, "eps": None}),
    ("sigmoid", {"sigma_w": 6.0, "sigma_b": 0.4, "keep": 1.0, "eps": None}),
    ("mish", {"sigma_w": 2.5, "sigma_b": 0.4, "keep": 1.0, "eps": 0.4}),
]
SLOW = range(4, len(PLACES))


@pytest.mark.parametrize(
    ("name", "setting"),
    [pytest.param(*place, marks=pytest.mark.slow if i in SLOW else []) for i, place in enumerate(PLACES)],
)
def test_a_network_by_another_road(name: str, setting: dict) -> None:
    phi = activation(name)
    given = {key: value for key, value in setting.items() if key != "eps"}
    norm = {} if setting["eps"] is None else {"norm": "layer", "eps": setting["eps"]}
    ours = solve(phi, **given, **norm)
    other = solved(phi, **setting, bracket=(0.5 * float(ours.q_star), 1.5 * float(ours.q_star)))
    assert ours.q_star == pytest.approx(other.q, rel=1e-10)
    assert ours.length_rate == pytest.approx(other.rate, rel=1e-9)  # a difference
    assert ours.c_star == pytest.approx(other.c, abs=1e-10)
    assert ours.chi_1 == pytest.approx(other.chi_1, rel=1e-10)
    assert ours.chi_c == pytest.approx(other.chi_c, rel=1e-10)


@pytest.mark.parametrize("name", ["relu", "leaky-relu", "alpha-relu", "tanh", "sin", "gelu", "elu", "selu", "sigmoid"])
@pytest.mark.parametrize("q", [1e-6, 0.7, 30.0])
def test_moments_of_one_gaussian(name: str, q: float) -> None:
    phi, root = activation(name, alpha=1.7), np.sqrt(q)
    found = length_moments(phi, np.array([q]))
    value, slope = phi.phi, phi.derivative
    assert found.v[0] == pytest.approx(expectation(lambda g: value(root * g) ** 2, (0.0,)), rel=1e-11)
    assert found.slopes[0] == pytest.approx(expectation(lambda g: slope(root * g) ** 2, (0.0,)), rel=1e-11)
    # the derivative by q once more, without φ′: E φ²·(g² − 1)/2q
    second = expectation(lambda g: value(root * g) ** 2 * (g * g - 1) / (2 * q), (0.0,))
    assert found.rate[0] == pytest.approx(second, rel=1e-8 if q < 1e-3 else 1e-11, abs=1e-14)


def test_relu_in_closed_form() -> None:
    """q* = σ_b²/(1 − σ_w²/2ρ), and c* of the arc-cosine kernel."""
    w, b, rho = 1.2, 0.3, 0.8
    found = solve("relu", w, b, keep=rho)
    q = b**2 / (1 - w**2 / (2 * rho))
    assert found.q_star == pytest.approx(q, rel=1e-12)
    c = float(found.c_star)
    kernel = (np.sqrt(1 - c * c) + c * (np.pi - np.arccos(c))) / (2 * np.pi)
    assert (w**2 * q * kernel + b**2) / q == pytest.approx(c, abs=1e-12)
    assert found.chi_c == pytest.approx(w**2 * (0.5 - np.arccos(c) / (2 * np.pi)), rel=1e-12)
    assert found.chi_1_dropout == pytest.approx(w**2 / (2 * rho), rel=1e-14)


def test_erf_in_closed_form() -> None:
    """The arcsine kernel (Williams 1997)."""
    found = solve("erf", 1.8, 0.4)
    q, c = float(found.q_star), float(found.c_star)
    assert 1.8**2 * 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)) + 0.16 == pytest.approx(q, rel=1e-12)
    assert 1.8**2 * 2 / np.pi * np.arcsin(2 * q * c / (1 + 2 * q)) + 0.16 == pytest.approx(q * c, rel=1e-11)
    chi = 1.8**2 * 4 / np.pi / np.sqrt((1 + 2 * q) ** 2 - (2 * q * c) ** 2)
    assert found.chi_c == pytest.approx(chi, rel=1e-11)


def test_layer_normalisation_in_closed_form() -> None:
    """At ε = 0 h ~ N(0, 1): relu has χ₁ = (σ_w²/2)/(σ_w²/2 + σ_b²), whatever the depth."""
    found = solve("relu", [0.5, 1.6, 3.0], 0.3, norm="layer")
    half = np.array([0.5, 1.6, 3.0]) ** 2 / 2
    np.testing.assert_allclose(found.q_star, half + 0.09, rtol=1e-14)
    np.testing.assert_allclose(found.chi_1, half / (half + 0.09), rtol=1e-14)
    assert np.all(found.length_rate == 0)
    assert np.all(found.xi_q == 0)


@pytest.mark.parametrize("sigma_b", [1e-3, 0.05**0.5, 1.0])
@pytest.mark.parametrize("name", ["tanh", "erf", "sin", pytest.param("selu", marks=pytest.mark.slow)])
def test_the_critical_line_by_another_road(name: str, sigma_b: float) -> None:
    """σ_w by brentq on χ₁(σ_w) of the solved network, instead of the explicit form in q."""
    from scipy.optimize import brentq

    point = critical_point(name, sigma_b)
    assert point.sigma_w is not None

    def excess(sigma_w: float) -> float:
        return float(solve(name, sigma_w, sigma_b).chi_1) - 1

    found = brentq(excess, 0.9 * point.sigma_w, 1.1 * point.sigma_w, xtol=1e-13)
    assert point.sigma_w == pytest.approx(found, abs=1e-10)
    assert point.q_star == pytest.approx(float(solve(name, point.sigma_w, sigma_b).q_star), rel=1e-9)


def test_the_gap_of_sine() -> None:
    """c* of sin, whose maps are elementary: E sin² = (1 − e^(−2q))/2, E sin·sin = e^(−q)·sinh(qc)."""
    found = solve("sin", 2.0, 0.3)
    q, c = float(found.q_star), float(found.c_star)
    assert 2 * -special.expm1(-2 * q) + 0.09 == pytest.approx(q, rel=1e-13)
    assert 4 * np.exp(-q) * np.sinh(q * c) + 0.09 == pytest.approx(q * c, rel=1e-12)
