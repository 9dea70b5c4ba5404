"""Lemmas D.1 to D.8, from which the growth laws are built, against sums, products and quadrature."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from phasemap.theory.activations import activation
from phasemap.theory.integrals.gaussian_transforms import moments
from phasemap.theory.residual.growth_laws.law import (
    GrowthLaw,
    forced_product_law,
    log_product,
    power_sum_law,
    product_law,
    product_remainder,
)
from phasemap.theory.residual.growth_laws.series import (
    TANH_DEFICIT_COEFFICIENT,
    TANH_DERIVATIVE_COEFFICIENT,
    hidden_cosine,
    hidden_cosine_expansion,
    large_variance_series,
)


@pytest.mark.parametrize("exponent", [-2.5, -1.0, -0.4, 0.0, 1.3])
def test_power_sums(exponent: float) -> None:
    """Lemma D.6 and its next order: Euler-Maclaurin's constant ζ(−d), and l^d/2."""
    layers = np.array([10_000, 100_000])
    total = np.array([np.sum(np.arange(1.0, layer + 1) ** exponent) for layer in layers])
    law = power_sum_law(exponent)
    # Σ = law + constant + l^d/2 + …, the constant ζ(−d) (γ at −1); for d < −1 the tail is l^(d+1)/(d+1)
    constant = {-1.0: float(mp.euler), -0.4: float(mp.zeta(0.4)), 1.3: float(mp.zeta(-1.3))}.get(exponent, 0.0)
    next_order = layers ** (exponent + 1) / (exponent + 1) if exponent < -1 else layers**exponent / 2
    if exponent == 0:
        next_order = np.zeros(2)
    np.testing.assert_allclose(total - np.exp(law.log(layers)), constant + next_order, rtol=1e-3, atol=1e-9)


def test_products() -> None:
    """Lemma D.7: the constant 1/Γ(1 + δ) at β = 1, and R with its coefficient for β ≤ ½."""
    layers = np.array([1000, 100_000])
    for delta in (0.5, 2.0, -0.5):
        deviation = log_product(delta, 1.0, layers) - product_law(delta, 1.0).log(layers)
        np.testing.assert_allclose(deviation, delta * (1 + delta) / 2 / layers, rtol=0.02)
    for beta in (0.3, 0.5):
        remainder = log_product(0.7, beta, layers) - 0.7 / (1 - beta) * layers ** (1 - beta)
        law = product_remainder(0.7, beta)
        change = np.diff(remainder)[0] / -np.diff(np.exp(law.log(layers)))[0]
        assert change == pytest.approx(1.0, abs=0.15 if beta == 0.3 else 0.02)  # next: δ³/3·Σ m^(−3β)
    assert product_remainder(0.7, 0.8).regime == "constant"
    assert product_law(0.7, 1.5).regime == "constant"


FORCED = [
    (1.0, 0.4, 0.5, 2.0),
    (2.0, 1.0, 0.5, 1.8),
    (1.0, 2.0, 0.5, 2.0),
    (1.0, 0.2, 0.5, 1.0),
    (1.0, 1.2, 0.5, 1.0),
    (1.5, 0.5, 0.5, 1.0),
    (1.0, 1.0, 0.8, 0.5),
    (1.0, 0.5, -0.7, 0.6),
    (0.7, 1.4, -1.0, 1.0),
    (0.7, 2.0, -1.0, 1.0),
    (0.7, 3.0, -1.0, 1.0),
]


@pytest.mark.parametrize(("forcing", "alpha", "delta", "beta"), FORCED)
def test_forced_products(forcing: float, alpha: float, delta: float, beta: float) -> None:
    """Lemma D.8, iterated; with δ < 0 (where the printed exponential decays and the sequence does not), and the closing
    claim's constants C·ζ(α−1), C, C/(2−α) for β = −δ = 1."""
    depth = 65_536
    value, log_scale, logs = 1.0, 0.0, np.empty(depth + 1)
    for layer in range(1, depth + 1):
        value = forcing * layer**-alpha * math.exp(-log_scale) + value * (1 + delta * layer**-beta)
        logs[layer] = math.log(value) + log_scale
        if value > 1e100:
            log_scale, value = log_scale + math.log(value), 1.0
    layers = depth // np.array([64, 16, 4, 1])
    law = forced_product_law(forcing, alpha, delta, beta)
    deviation = logs[layers] - law.log(layers)
    local = np.diff(deviation) / np.log(4)
    assert abs(local[-1]) <= max(0.02, 0.5 / math.log(depth) if law.log_exponent else 0)
    assert abs(local[-1]) <= abs(local[0]) + 1e-9
    if law.coefficient is not None:
        assert abs(deviation[-1]) <= 0.06 if not law.log_exponent else abs(deviation[-1]) < abs(deviation[0])


def test_printed_lemma_d8_fails_for_negative_delta() -> None:
    """exp(δ/(1−β)·l^(1−β)) at δ = −0.7, β = 0.6 is e^(−32) at l = 3000; the sequence is 1.5·l^(0.1) there."""
    value = 1.0
    for layer in range(1, 3001):
        value = layer**-0.5 + value * (1 - 0.7 * layer**-0.6)
    assert value == pytest.approx(3000**0.1 / 0.7, rel=0.02)
    assert math.exp(-0.7 / 0.4 * 3000**0.4) < 1e-13


def test_large_variance_series() -> None:
    """Lemmas D.2 to D.5: sech² (= tanh′) and 1 − tanh² against the transforms at q = 400."""
    coefficients = large_variance_series(lambda z: 1 / math.cosh(min(abs(z), 300)) ** 2, 4)
    assert coefficients[0] == pytest.approx(TANH_DERIVATIVE_COEFFICIENT, rel=1e-9)
    q = 400.0
    series = q**-0.5 * sum(c * q**-n for n, c in enumerate(coefficients))
    assert float(moments(activation("tanh"), q, q).v_derivative) == pytest.approx(series, rel=1e-9)
    deficit = large_variance_series(lambda z: 1 / math.cosh(min(abs(z), 300)), 4)
    assert deficit[0] == pytest.approx(TANH_DEFICIT_COEFFICIENT, rel=1e-9)
    series = q**-0.5 * sum(c * q**-n for n, c in enumerate(deficit))
    assert 1 - float(moments(activation("tanh"), q, q).v) == pytest.approx(series, rel=1e-8)


@pytest.mark.parametrize("around", [0.0, 0.7, math.inf])
def test_hidden_cosine_expansion(around: float) -> None:
    """Lemma D.1: the error of first order is of second order. As printed (−r(1 − e) at r → 0) it would be of first."""
    e, errors = 0.6, []
    for small in (1e-2, 1e-3):
        ratio = 1 / small if math.isinf(around) else around + small
        errors.append(abs(hidden_cosine(e, ratio) - hidden_cosine_expansion(e, ratio, around)))
        assert errors[-1] < small**2
    assert errors[1] == pytest.approx(errors[0] / 100, rel=0.05)


def test_laws_multiply_add_and_invert() -> None:
    law = GrowthLaw(exponent=0.3, log_exponent=1.0, coefficient=2.0)
    layers = np.array([10, 1000])
    np.testing.assert_allclose((law / law).log(layers), 0, atol=1e-12)
    assert (law + GrowthLaw(exponent=0.3, coefficient=5.0)) == law
    assert (law + law).coefficient == 4.0
    assert (law * GrowthLaw(exponent=-0.3)).regime == "sub-polynomial"
    assert GrowthLaw(stretch_rate=1.0, stretch_power=0.5).regime == "exponential"
