"""V, W, Vφ′ and the gap D: closed forms against quadrature of our own, against mpmath, and against sampling."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.theory.activations import BUILT_IN, activation
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.gaussian_quadrature import FAR, Quadrature
from phasemap.theory.integrals.gaussian_transforms import moments, transforms
from phasemap.theory.integrals.tanh_as_erf_mixture import tanh_mixture
from tests.theory.residual import mean_field_mpmath as high

CLOSED = {
    "relu": {},
    "leaky-relu": {"slope": 0.2},
    "abs": {},
    "identity": {},
    "tanh": {},
    "erf": {},
    "sin": {},
}
FIELDS = ("v", "v_derivative", "w", "gap")


def _at(rule, q: float, delta: float):
    variance = np.array([q])
    return rule(variance, variance * delta, variance * (1 - delta))


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("delta", [1e-10, 1e-3, 0.4, 1.0, 1.6])
def test_closed_form_equals_quadrature(name: str, delta: float) -> None:
    """Two derivations that share nothing: sums of arcsines or arc-cosine kernels, and panels in (z ± z′)/2."""
    phi = activation(name, **CLOSED[name])
    for q in (1e-6, 0.3, 20.0) if name == "sin" else (1e-6, 0.3, 20.0, 1e6):
        closed, numeric = _at(transforms(phi), q, delta), _at(Quadrature(phi), q, delta)
        scale = float(closed.v[0])
        for field in FIELDS:
            # W passes through zero at c = 0; it is compared on the scale of V there, all else relatively
            floor = 1e-12 * scale if field == "w" else 0.0
            np.testing.assert_allclose(getattr(numeric, field), getattr(closed, field), rtol=1e-10, atol=floor)


@pytest.mark.parametrize("q", [0.05, 1.0, 6.0])
@pytest.mark.parametrize("c", [-0.7, 0.3, 0.999])
def test_tanh_against_mpmath(q: float, c: float) -> None:
    found, exact = moments(activation("tanh"), q, c * q), high.tanh()
    v, w = exact.v(mp.mpf(q)), exact.w(mp.mpf(q), mp.mpf(c * q))
    assert float(found.v) == pytest.approx(float(v), rel=1e-11)
    assert float(found.w) == pytest.approx(float(w), rel=1e-11)
    assert float(found.gap) == pytest.approx(float(v - w), rel=1e-11)
    assert float(found.v_derivative) == pytest.approx(float(exact.v_derivative(mp.mpf(q))), rel=1e-11)


@pytest.mark.parametrize("delta", [1e-30, 1e-16, 1e-8, 0.1, 1.3])
def test_relu_against_mpmath(delta: float) -> None:
    q = 3.0
    found = transforms(activation("relu"))(np.array([q]), np.array([q * delta]), np.array([q * (1 - delta)]))
    exact_delta = mp.mpf(q * delta) / mp.mpf(q)
    w = high.relu().w(mp.mpf(1), 1 - exact_delta) * q
    assert float(found.gap[0]) == pytest.approx(float(mp.mpf(q) / 2 - w), rel=1e-13)
    assert float(found.w[0]) == pytest.approx(float(w), rel=1e-13)


def test_tanh_is_the_mixture_of_error_functions() -> None:
    k, weight = tanh_mixture()
    z = np.geomspace(1e-8, 30, 400)
    mixture = np.vectorize(lambda x: float(mp.erf(x)))(z[:, None] / (k * np.sqrt(2))) @ weight
    np.testing.assert_allclose(mixture, np.tanh(z), rtol=3e-15)


def test_erf_at_large_variance() -> None:
    """At q ~ 1e6, c → 1, against the arcsine formula (Williams 1997) in 50 digits."""
    for q in (1e6, 1e12):
        for gap in (1e-6, 1.0, 1e3):
            found = transforms(activation("erf"))(np.array([q]), np.array([gap]), np.array([q - gap]))
            q_, t_ = mp.mpf(q), mp.mpf(gap)
            exact = 2 / mp.pi * (mp.asin(2 * q_ / (1 + 2 * q_)) - mp.asin(2 * (q_ - t_) / (1 + 2 * q_)))
            assert float(found.gap[0]) == pytest.approx(float(exact), rel=1e-14)


def test_tanh_at_large_variance() -> None:
    """Lemma D.5 with its next order: 1 − V tanh(q) = √(2/π)·q^(−1/2)(1 − π²/24q + …), likewise tanh′ (Lemma D.4)."""
    q = 1e6
    found = moments(activation("tanh"), q, q)
    lead = np.sqrt(2 / np.pi / q)
    # ∫ sech² z² dz = π²/6 and ∫ sech⁴ z² dz = (π² − 6)/9; the next order is q^(−2) smaller
    assert 1 - float(found.v) == pytest.approx(lead * (1 - np.pi**2 / 24 / q), rel=1e-11 / lead)
    derivative = 2 / 3 * lead * (1 - (np.pi**2 - 6) / 9 / (2 * q) / (4 / 3))
    assert float(found.v_derivative) == pytest.approx(derivative, rel=1e-11)


@settings(max_examples=60)
@given(
    name=st.sampled_from(sorted(CLOSED)),
    log_q=st.floats(-12, 12),
    log_delta=st.floats(-30, 0),
)
def test_invariants(name: str, log_q: float, log_delta: float) -> None:
    """V = W + D; 0 ≤ D ≤ 2V; D ≤ t·Vφ′ (Price: D is the integral of Eφ′φ′ ≤ Vφ′ over the covariance)."""
    q, delta = np.exp(log_q), np.exp(log_delta)
    found = _at(transforms(activation(name, **CLOSED[name])), q, delta)
    v, d, w, gap = (float(getattr(found, field)[0]) for field in FIELDS)
    assert w + gap == pytest.approx(v, rel=1e-12)
    assert 0 < gap <= q * delta * d * (1 + 1e-12)
    assert gap <= 2 * v * (1 + 1e-12)


def test_gap_against_sampling() -> None:
    """A seeded Monte Carlo with control of its own error: within 4 standard errors."""
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((2, 400_000))
    q, c = 2.5, 0.6
    z, other = np.sqrt(q) * x, np.sqrt(q) * (c * x + np.sqrt(1 - c * c) * y)
    for name in BUILT_IN:
        phi = activation(name)
        found = moments(phi, q, c * q)
        for sample, value in (
            (phi.phi(z) ** 2, found.v),
            (phi.derivative(z) ** 2, found.v_derivative),
            (phi.phi(z) * phi.phi(other), found.w),
            ((phi.phi(z) - phi.phi(other)) ** 2 / 2, found.gap),
        ):
            assert abs(sample.mean() - float(value)) <= 4 * sample.std() / np.sqrt(len(sample))


def _mean_of_products(first: float, second: float, q: mp.mpf, lam: mp.mpf) -> mp.mpf:
    """E z·Φ(z/k)·z′·Φ(z′/k′): by parts from E Φ(z/k)Φ(z′/k′) = ¼ + arcsin(λ/√((k² + q)(k′² + q)))/2π and its slopes."""
    one, two = mp.mpf(first) ** 2 + q, mp.mpf(second) ** 2 + q
    root = mp.sqrt(one * two - lam**2)
    angle = mp.asin(lam / mp.sqrt(one * two))
    return lam * (mp.mpf(1) / 4 + angle / (2 * mp.pi)) + (lam**2 + q**2 - lam**2 * q * (1 / one + 1 / two)) / (
        2 * mp.pi * root
    )


@pytest.mark.parametrize("q", [1e-6, 0.3, 20.0, 1e6])
@pytest.mark.parametrize("delta", [1e-10, 1e-3, 0.4, 1.0, 1.6])
def test_gelu_against_its_closed_form(q: float, delta: float) -> None:
    found = _at(transforms(activation("gelu")), q, delta)
    with mp.workdps(60):
        q_, gap = mp.mpf(q), mp.mpf(q * delta)
        v, w = (_mean_of_products(1, 1, q_, lam) for lam in (q_, q_ - gap))
        slope = mp.diff(lambda lam: _mean_of_products(1, 1, q_, lam), q_, direction=-1, h=q_ * mp.mpf(10) ** -30)
    assert float(found.v[0]) == pytest.approx(float(v), rel=1e-12)
    assert float(found.w[0]) == pytest.approx(float(w), rel=1e-10, abs=1e-12 * float(v))
    assert float(found.gap[0]) == pytest.approx(float(v - w), rel=1e-10)
    assert float(found.v_derivative[0]) == pytest.approx(float(slope), rel=1e-11)  # Price's theorem: ∂W/∂λ at λ = q


@pytest.mark.parametrize("delta", [1e-3, 0.4, 1.0, 1.6])
@pytest.mark.parametrize("q", [0.3, 20.0, 1e4])
def test_silu_and_sigmoid_as_mixtures_of_normals(q: float, delta: float) -> None:
    """sigmoid(z) = ½ + ½·tanh(z/2) = E_k Φ(z/2k) with the scales k of tanh's mixture of error functions."""
    k, weight = tanh_mixture()
    pairs = [(2 * a, 2 * b, u * v) for a, u in zip(k, weight, strict=True) for b, v in zip(k, weight, strict=True)]
    v, w = (
        float(mp.fsum(u * _mean_of_products(a, b, mp.mpf(q), mp.mpf(lam)) for a, b, u in pairs))
        for lam in (q, q - q * delta)
    )
    silu, sigmoid = (_at(transforms(activation(name)), q, delta) for name in ("silu", "sigmoid"))
    assert float(silu.v[0]) == pytest.approx(v, rel=1e-11)
    assert float(silu.w[0]) == pytest.approx(w, rel=1e-10, abs=1e-11 * v)
    tanh = _at(transforms(activation("tanh")), q / 4, delta)
    assert float(sigmoid.v[0]) == pytest.approx((1 + float(tanh.v[0])) / 4, rel=1e-12)
    assert float(sigmoid.gap[0]) == pytest.approx(float(tanh.gap[0]) / 4, rel=1e-10)
    assert float(sigmoid.v_derivative[0]) == pytest.approx(float(tanh.v_derivative[0]) / 16, rel=1e-11)


@pytest.mark.parametrize("q", [1e-4, 1.0, 9.0])
def test_elu_second_moments(q: float) -> None:
    """E elu² = q/2 + α²·E[(e^z − 1)²; z < 0] and E elu′² = ½ + α²·E[e^(2z); z < 0]."""
    found = moments(activation("elu", alpha=0.7), q, 0.0)
    with mp.workdps(40):
        below = [mp.exp(n * n * mp.mpf(q) / 2) * mp.ncdf(-n * mp.sqrt(q)) for n in range(3)]  # E[e^(nz); z < 0]
        square = mp.mpf(q) / 2 + mp.mpf(0.7) ** 2 * (below[2] - 2 * below[1] + below[0])
        slope = mp.mpf(1) / 2 + mp.mpf(0.7) ** 2 * below[2]
    assert float(found.v) == pytest.approx(float(square), rel=1e-11)
    assert float(found.v_derivative) == pytest.approx(float(slope), rel=1e-11)


def test_scaled_activation_goes_through_quadrature() -> None:
    """tanh(2z) at q is tanh at 4q: the same number by another family of formulas."""
    scaled, plain = moments(activation("tanh", scale=2.0), 0.7, 0.2), moments(activation("tanh"), 2.8, 0.8)
    assert float(scaled.w) == pytest.approx(float(plain.w), rel=1e-11)
    assert float(scaled.v_derivative) == pytest.approx(4 * float(plain.v_derivative), rel=1e-11)


def test_alpha_relu_second_moment() -> None:
    """E max(z,0)^2α = 2^(α−1)·Γ(α + ½)/√π·q^α, for an α whose φ′ is unbounded in slope at 0."""
    found = moments(activation("alpha-relu", alpha=1.5), 2.0, 0.0)
    assert float(found.v) == pytest.approx(float(2**0.5 * mp.gamma(2) / mp.sqrt(mp.pi) * 2**1.5), rel=1e-11)
    assert float(found.w) == pytest.approx(
        float((2**0.75 * mp.gamma(1.25) / (2 * mp.sqrt(mp.pi)) * 2**0.75) ** 2), rel=1e-10
    )


def test_oscillating_activation_is_refused() -> None:
    with pytest.raises(InputError, match="does not converge"):
        Quadrature(activation("sin"))(np.array([1e6]), np.array([1.0]), np.array([1e6 - 1]))


@pytest.mark.parametrize("name", ["gelu", "elu", "softplus", "mish"])
def test_beyond_quadrature_an_activation_is_its_two_lines(name: str) -> None:
    """On both sides of the variance at which the lines take its place: the same to 1e-9."""
    phi = activation(name)
    q = np.array([0.99, 1.01]) * FAR
    found = Quadrature(phi)(q, q * 0.3, q * 0.7)
    for field in ("v", "w", "gap"):
        below, above = getattr(found, field) / q
        assert above == pytest.approx(below, rel=2e-9)
    assert found.v_derivative[1] == pytest.approx(found.v_derivative[0], rel=2e-9)
    assert np.all(np.isfinite(Quadrature(phi)(np.array([1e300]), np.array([1e299]), np.array([9e299])).gap))


def test_beyond_quadrature_nothing_is_made_up() -> None:
    found = Quadrature(activation("sigmoid", scale=2.0))(*(np.array([1e30 * share]) for share in (1, 0.5, 0.5)))
    assert np.isinf(found.v[0])
    assert np.isnan(found.gap[0])
