"""Evidence for docs/errata-resnet.md: what the paper prints, computed as printed, against what the recurrences do.

The recurrences themselves are tested against mpmath (test_residual.py) and against sampled networks with true
backpropagation (tests/models/sampling/test_residual.py, which also has the misprints that only networks can decide).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

from phasemap.theory.activations import activation
from phasemap.theory.integrals.gaussian_transforms import moments
from phasemap.theory.residual.growth_laws.decay import Decay
from phasemap.theory.residual.growth_laws.relu import relu_laws
from phasemap.theory.residual.growth_laws.tanh import tanh_laws
from phasemap.theory.residual.recurrence import residual_recurrence


def _relu(depth: int, **options: float):
    return residual_recurrence(activation("relu"), depth, **options)


def _slope(log_f: np.ndarray, depth: int) -> float:
    """Local exponent of f between depth/4 and depth."""
    return float((log_f[depth] - log_f[depth // 4]) / math.log(4))


def test_lambda_comes_from_gamma() -> None:
    """Table A.2, Thm C.2 print λ = σ_w²·λ̲ + σ_b². With it λ misses γ's growth: 100 times too small at layer 20."""
    trace = _relu(20)
    printed = 0.5  # λ⁰ in the place of γ⁰
    for _ in range(20):
        printed = printed + 1.0
    assert trace.lambda_[20] / printed > 100
    assert trace.c[20] < 1
    assert trace.lambda_[20] == pytest.approx(trace.gamma[19] + 1)


def test_s_is_p_minus_gamma() -> None:
    """Defn 4.2's last form, (p + p′ − γ)/2, contradicts the two before it: for equal inputs it is p/2, not 0."""
    trace = residual_recurrence(activation("tanh"), 5, gamma0=1.0)
    np.testing.assert_array_equal(trace.s, 0)
    assert np.all((trace.p + trace.p - trace.gamma) / 2 > 0.4)


def test_leading_term_of_log_p_has_w_r() -> None:
    """Fig. 2 and Sec. 7.1 print V_r/(1−V_r)·l^(1−V_r). At V_r = 0.2, l = 1400: log p = 192; W-form 205; V-form 82."""
    log_p = _relu(1400, beta_w=0.2, beta_b=0.2).log_p[-1]
    assert log_p == pytest.approx(192, abs=1)
    assert pytest.approx(205, abs=1) == 0.5 / 0.8 * 1400**0.8
    assert pytest.approx(82, abs=1) == 0.2 / 0.8 * 1400**0.8
    # at V_r = 0 the printed one vanishes
    assert _relu(100).log_p[-1] > 40


def test_zig_and_zag_are_swapped_in_the_text() -> None:
    """Sec. 7.1 has V_r := min(β_v + β_b, β_a): 0 all along the zig, where p leaves the exponential regime."""
    exponential, polynomial = _relu(1000, beta_w=0.3, beta_b=0.3), _relu(1000, beta_w=1.5, beta_b=1.5)
    assert exponential.log_p[-1] > 80
    assert _slope(polynomial.log_p, 1000) == pytest.approx(1.0, abs=0.05)
    assert relu_laws(Decay(beta_w=1.5, beta_b=1.5))["p"].regime == "polynomial"


@pytest.mark.parametrize("beta", [0.3, pytest.param(0.6, marks=pytest.mark.slow)])
def test_constants_of_c5_are_divided_by_1_minus_u_t(beta: float) -> None:
    """Thm C.5(1): p ~ (σ_v² + σ_a²)·l^(1−β)/(1−β). As printed p would be off by 1/(1−β)."""
    p = residual_recurrence(activation("tanh"), 8000, beta_v=beta, beta_a=beta).p[-1]
    printed = 2 * 8000 ** (1 - beta)
    law = float(np.exp(tanh_laws(Decay(beta_v=beta, beta_a=beta))["p"].log(np.array([8000]))[0]))
    assert abs(p / law - 1) < 0.1 < abs(p / printed - 1)


def test_first_case_of_c5_2_grows() -> None:
    """Thm C.5(2) prints p ~ σ_v² for β_v = 1 < β_a; it is σ_v²·log l: increments between decades are σ_v²·log 10."""
    p = residual_recurrence(activation("tanh"), 10_000, beta_v=1.0, beta_a=3.0).p
    assert p[10_000] - p[1000] == pytest.approx(math.log(10), rel=0.5)
    later, earlier = p[10_000] - p[1000], p[1000] - p[100]
    assert earlier < later < math.log(10)  # V tanh rises to 1


@pytest.mark.parametrize(
    ("options", "chi_w", "chi_b"),
    [
        ({"beta_v": 0.5, "beta_w": 2.0, "beta_b": 0.5, "beta_a": 3.0}, None, 0.5),  # U_r = 1, "otherwise"
        ({"beta_v": 0.5, "beta_w": 1.5, "beta_b": 1.5, "beta_a": 2.0}, 0.5, 0.5),  # U_r > 1
        ({"beta_v": 0.3, "beta_w": 0.7, "beta_b": 0.9, "beta_a": 2.0}, 0.3, 0.8),  # V_r = 1 (W_r = 0.5)
    ],
    ids=["U_r = 1", "U_r > 1", "V_r = 1"],
)
def test_gradients_of_c11_carry_beta_v(options: dict, chi_w: float | None, chi_b: float) -> None:
    """Thm C.11's statement prints l^β_w for χ_w and l^β_b for χ_b; both are l^β_v (times the ratios of p and χ)."""
    trace = _relu(4000, **options)
    assert _slope(trace.log_gradient_ratio("b"), 4000) == pytest.approx(chi_b, abs=0.01)
    law = relu_laws(Decay(**options))
    assert law["chi_b"].exponent == pytest.approx(chi_b)
    if chi_w is None:
        log_ratio, log_p = trace.log_gradient_ratio("w"), trace.log_p
        assert _slope(log_ratio[1:] + log_p[:-1], 3996) == pytest.approx(0.5, abs=0.01)
    else:
        assert _slope(trace.log_gradient_ratio("w"), 4000) == pytest.approx(chi_w, abs=0.01)


def test_gradients_below_v_r_1() -> None:
    """V_r < 1: Thm C.11 and App. B.1 print Θ(1) for χ_w, Sec. 7.1 Θ(l^β_v) for χ_v; they are l^β_v and l^β_w."""
    trace = _relu(4000, beta_v=0.4, beta_w=0.1, beta_b=1.0, beta_a=1.0)  # next order: W_r·l^(−V_r) at l = 1000, 0.016
    assert _slope(trace.log_gradient_ratio("w"), 4000) == pytest.approx(0.4, abs=0.016)
    assert _slope(trace.log_gradient_ratio("v"), 4000) == pytest.approx(0.1, abs=0.016)


def test_chi_v_ratio_has_q_of_the_same_layer() -> None:
    """Proof of C.11 prints q^(0)·χ^(0)/(q^(l−1)·χ^(l)); χ_v = χ·q/2 at the same l."""
    trace = _relu(10, beta_w=0.5)
    np.testing.assert_allclose(trace.chi_v[1:], trace.chi[1:] * trace.q[1:] / 2)


def test_step_of_p_decays_with_the_slower_of_two_exponents() -> None:
    """Thm C.9 (V_r, U_r > 1) prints Δp = Θ(l^(−U_r)): at V_r = 1.3, U_r = 2 it is l^(−1.3)."""
    p = _relu(4000, beta_w=1.3, beta_b=2.0, beta_a=2.0).p
    step = np.log(np.concatenate([[np.nan], np.diff(p)]))
    assert _slope(step, 4000) == pytest.approx(-1.3, abs=0.1)


def test_lemma_d4_is_about_the_derivative() -> None:
    """Lemma D.4 prints V tanh ~ (2/3)√(2/π)·q^(−1/2), which is V of tanh′; ∫ sech⁴ has 1/3, its proof 1/2."""
    found = moments(activation("tanh"), 1e6, 1e6)
    lead = 2 / 3 * math.sqrt(2 / math.pi) * 1e-3
    assert float(found.v) > 0.99
    assert float(found.v_derivative) == pytest.approx(lead, rel=1e-5)
    z = 0.8
    integral = integrate.quad(lambda x: math.cosh(x) ** -4, 0, z)[0]
    right, printed = ((2 / 3 + k * math.cosh(z) ** -2) * math.tanh(z) for k in (1 / 3, 1 / 2))
    assert integral == pytest.approx(right, rel=1e-10)
    assert abs(integral - printed) > 0.05


def test_sum_in_c6_is_bounded_below_minus_one() -> None:
    """Proof of C.6 prints "> 1" for the exponent that makes Σ converge (W_t < 0): it is below −1."""
    decay = Decay(beta_v=0.8, beta_w=0.2, beta_a=0.3)
    assert tanh_laws(decay)["growth"].exponent < -1
    assert tanh_laws(decay)["chi"].regime == "constant"
