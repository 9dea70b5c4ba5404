"""The record: anchors, what does not exist and why, honest digits, speed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from phasemap.theory.activations import BUILT_IN, Activation
from phasemap.theory.errors import InputError
from phasemap.theory.mlp.critical_exponents import critical_exponents
from phasemap.theory.mlp.critical_line import critical_point
from phasemap.theory.mlp.record import NAMES, mlp_record
from phasemap.theory.mlp.solution import solve
from phasemap.theory.mlp.transients import transient


@pytest.mark.parametrize(("name", "sigma_w"), [("relu", 2**0.5), ("tanh", 1.0), ("erf", np.pi**0.5 / 2), ("sin", 1.0)])
def test_where_plain_networks_are_critical_without_biases(name: str, sigma_w: float) -> None:
    record = mlp_record(name, sigma_w=sigma_w)
    assert record["regime"] == "critical"
    for quantity in ("chi_1", "chi_1_dropout", "chi_c", "length_rate"):
        assert record[quantity] == pytest.approx(1, abs=1e-12)
    for quantity in ("xi_q", "xi_c", "xi_grad"):
        assert record[quantity] is None
        assert record["reasons"][quantity]
    assert critical_point(name, 0.0).sigma_w == pytest.approx(sigma_w, abs=1e-12)


def test_the_published_critical_point() -> None:
    """Schoenholz et al. 2017: tanh with σ_b² = 0.05 is critical at σ_w² ≈ 1.76."""
    point = critical_point("tanh", 0.05**0.5)
    assert point.sigma_w is not None
    assert point.sigma_w**2 == pytest.approx(1.76, abs=0.005)
    record = mlp_record("tanh", sigma_w=point.sigma_w, sigma_b=0.05**0.5)
    assert record["regime"] == "critical"
    assert record["c_star"] == 1
    assert record["q_star"] == pytest.approx(point.q_star, rel=1e-12)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_activation_on_both_sides(name: str) -> None:
    for sigma_w, keep, norm in ((0.4, 1.0, "none"), (3.0, 1.0, "layer"), (0.6, 0.8, "none")):
        record = mlp_record(name, sigma_w=sigma_w, sigma_b=0.3, keep=keep, norm=norm)
        json.dumps(record, allow_nan=False)
        for quantity in (*NAMES, "regime"):
            assert (record[quantity] is None) == (quantity in record["reasons"]), quantity
        assert record["digits"] >= 9


def test_what_layer_normalisation_cannot_divide_by() -> None:
    dead = Activation("dead", lambda z: 0.0 * z, lambda z: 0.0 * z, label="dead")
    record = mlp_record(dead, sigma_w=1.5, norm="layer")
    assert (record["q_star"], record["chi_1"], record["regime"]) == (0, None, None)
    assert "not defined" in record["reasons"]["chi_1"]
    assert mlp_record(dead, sigma_w=1.5, sigma_b=0.1, norm="layer")["c_star"] == 1


@pytest.mark.parametrize("sigma_w", [0.3, 1.0])
def test_an_activation_that_grows_faster_than_any_power(sigma_w: float) -> None:
    """φ = exp: E φ² = e^(2q), so that q = σ_w²·e^(2q) has a small root below σ_w² = 1/2e, and none above."""
    record = mlp_record(Activation("exp", np.exp, np.exp, label="exp"), sigma_w=sigma_w, q0=1e-3)
    if sigma_w**2 < 1 / (2 * np.e):
        small, large = record["fixed_points"]
        assert record["q_star"] == small["q"] == pytest.approx(sigma_w**2 * np.exp(2 * small["q"]), rel=1e-10)
        assert large["stability"] == "unstable"
    else:
        assert record["reasons"]["q_star"] == "the length q grows without bound"


def test_dropout_has_no_critical_point() -> None:
    critical = critical_point("tanh", 0.2).sigma_w
    for keep in (0.5, 0.9, 0.99):
        records = [mlp_record("tanh", sigma_w=critical * factor, sigma_b=0.2, keep=keep) for factor in (0.7, 1, 1.4)]
        assert all(record["c_star"] < 1 and record["xi_c"] < 300 for record in records)
        assert all(record["regime"] != "critical" for record in records)
        for record in records:
            assert record["chi_1_dropout"] == pytest.approx(record["chi_1"] / keep, rel=1e-15)
    # where χ₁ is 1 with dropout there are no two sides
    low, high = 1.0, 2.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if solve("tanh", middle, 0.2, keep=0.9).chi_1 < 1 else (low, middle)
    record = mlp_record("tanh", sigma_w=low, sigma_b=0.2, keep=0.9)
    assert record["regime"] is None
    assert "no critical point" in record["reasons"]["regime"]


def test_a_kink_that_is_not_declared_is_refused() -> None:
    def phi(z: np.ndarray) -> np.ndarray:
        return np.tanh(z) + 0.3 * np.abs(z - 0.41)

    def slope(z: np.ndarray) -> np.ndarray:
        return 1 / np.cosh(np.clip(z, -300, 300)) ** 2 + 0.3 * np.sign(z - 0.41)

    assert mlp_record(Activation("kinked", phi, slope, (0.41,), label="kinked"), sigma_w=1.2)["digits"] >= 12
    with pytest.raises(InputError, match="does not converge"):
        mlp_record(Activation("smooth", phi, slope, label="smooth"), sigma_w=1.2)


@pytest.mark.parametrize("gain", [1.0, 6.0])
def test_digits_of_quadrature(gain: float) -> None:
    """tanh(gain·z) by quadrature against tanh with gain·σ_w and gain·σ_b in closed form."""
    phi = Activation(
        "steep", lambda z: np.tanh(gain * z), lambda z: gain / np.cosh(np.clip(gain * z, -300, 300)) ** 2, label="steep"
    )
    found = mlp_record(phi, sigma_w=1.7, sigma_b=0.3, keep=0.9)
    truth = mlp_record("tanh", sigma_w=1.7 * gain, sigma_b=0.3 * gain, keep=0.9)
    assert found["digits"] >= 10
    for name in ("c_star", "length_rate", "chi_1", "chi_c", "xi_q", "xi_c", "xi_grad"):
        assert found[name] == pytest.approx(truth[name], rel=3 * 10.0 ** -found["digits"]), name


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7])
def test_digits_near_the_critical_line(distance: float) -> None:
    """Against fifty digits of the arcsine kernel."""
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 50
    sigma_w = critical_point("erf", 0.3).sigma_w * (1 + distance)
    record = mlp_record("erf", sigma_w=sigma_w, sigma_b=0.3)
    w, b = mpmath.mpf(sigma_w) ** 2, mpmath.mpf(0.3) ** 2
    q = mpmath.findroot(lambda q: w * 2 / mpmath.pi * mpmath.asin(2 * q / (1 + 2 * q)) + b - q, record["q_star"])
    kernel = lambda c: (w * 2 / mpmath.pi * mpmath.asin(2 * q * c / (1 + 2 * q)) + b) / q  # noqa: E731
    c = mpmath.findroot(lambda c: (kernel(c) - c) / (1 - c), record["c_star"])
    chi_c = w * 4 / mpmath.pi / mpmath.sqrt((1 + 2 * q) ** 2 - (2 * q * c) ** 2)
    error = 10.0 ** -record["digits"]
    assert record["digits"] >= 3
    assert record["q_star"] == pytest.approx(float(q), rel=error)
    assert record["c_star"] == pytest.approx(float(c), abs=error)
    assert record["xi_c"] == pytest.approx(float(1 / abs(mpmath.log(chi_c))), rel=error)


def test_critical_exponents() -> None:
    """tanh: q ~ 1/2l. relu: 1 − c ~ (9π²/2)/l². On the critical line of a smooth φ 1 − c ~ 1/l."""
    tanh, relu, line = critical_exponents("tanh", 0.0), critical_exponents("relu", 0.0), critical_exponents("tanh", 0.3)
    assert tanh.correlation is None
    assert (tanh.q.power, tanh.q.factor) == (-1, pytest.approx(0.5, rel=1e-4))
    assert relu.q is None
    assert (relu.correlation.power, relu.correlation.factor) == (-2, pytest.approx(4.5 * np.pi**2, rel=1e-4))
    sigma_w, layers = critical_point("tanh", 0.3).sigma_w, 8000
    path = transient("tanh", layers, sigma_w=sigma_w, sigma_b=0.3)
    assert line.correlation.power == -1
    assert path.distance[-1] * layers == pytest.approx(line.correlation.factor, rel=5e-3)


def test_transients_of_one_layer() -> None:
    """By hand: q¹ = σ_w²q⁰ + σ_b², c¹ = (σ_w²q⁰c⁰ + σ_b²)/q¹; the gradient's factors add up."""
    path = transient("tanh", 6, sigma_w=1.4, sigma_b=0.5, keep=0.9, q0=0.7, c0=-0.4)
    q = 1.4**2 * 0.7 + 0.25
    assert path.q[:2].tolist() == pytest.approx([0.7, q])
    assert path.c[:2].tolist() == pytest.approx([-0.4, (1.4**2 * 0.7 * -0.4 + 0.25) / q])
    assert path.log_gradient[1] == pytest.approx(np.log(path.chi[1:-1]).sum())
    with pytest.raises(InputError, match="layers 0"):
        transient("tanh", 0, sigma_w=1.0)
