"""The misprints of docs/errata.md: each printed formula fails and each corrected one holds, numerically."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from jaxtyping import Float
from scipy import integrate

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, bsb1_inputs, sample_networks
from phasemap.models.sampling.rates import ratio_of
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.cross_checks import paper_theorems as gegenbauer_theorems
from phasemap.theory.batchnorm.moments.gegenbauer import gegenbauer_moments
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.whole_batch.covariance import Layer, Sample, centre, laplace_forward, sampled_forward
from phasemap.theory.homogeneous import Homogeneous, homogeneous

Matrix = Float[np.ndarray, "b b"]


def test_e1_batch_statistics() -> None:
    """Eq. 7 averages over the batch, with ε inside the root."""
    h, eps = np.random.default_rng(0).normal(size=16), 0.1
    z = (h - h.mean()) / np.sqrt(np.mean((h - h.mean()) ** 2) + eps)
    assert abs(z.mean()) < 1e-14
    assert np.mean(z**2) < 1
    printed = (h - h.mean()) / (np.mean((h - h.mean()) ** 2) + eps) ** 0.25  # σ² = √(…), so σ = (…)^(1/4)
    assert abs(np.mean(printed**2) - np.mean(z**2)) > 1e-3


@pytest.mark.parametrize("batch_size", [6, 8, 16])
def test_e2_forward_l_cross_term(batch_size: int) -> None:
    phi = activation("tanh", shift=0.6)
    truth, expansion = batchnorm_record(phi, batch_size)["forward"]["L"], gegenbauer_theorems.expand(phi, batch_size)
    assert gegenbauer_theorems.forward_l(expansion) == pytest.approx(truth, rel=1e-9)
    assert abs(gegenbauer_theorems.forward_l(expansion, printed=True) - truth) > 0.1


def test_e2_value_quoted() -> None:
    expansion = gegenbauer_theorems.expand(activation("tanh", shift=0.6), 8)
    assert gegenbauer_theorems.forward_l(expansion, printed=True) == pytest.approx(0.841, abs=1e-3)
    assert gegenbauer_theorems.forward_l(expansion) == pytest.approx(0.580, abs=1e-3)


@pytest.mark.parametrize("batch_size", [4, 6, 8])
def test_e3_forward_m_third_term(batch_size: int) -> None:
    phi = activation("sin", scale=1.5, shift=0.3)
    truth, expansion = batchnorm_record(phi, batch_size)["forward"]["M"], gegenbauer_theorems.expand(phi, batch_size)
    assert gegenbauer_theorems.forward_m(expansion) == pytest.approx(truth, rel=1e-9)
    assert abs(gegenbauer_theorems.forward_m(expansion, printed=True) - truth) > 1e-3


def a12(batch_size: int) -> tuple[float, float, float, float]:
    """Ã₁₂(12), Ã₁₂(13), Ã₁₂(34) and μ* of tanh(z + 0.6), from moments and Σ_d Ã(c, d) = 0 (App. F.3.2)."""
    m, _ = gegenbauer_moments(activation("tanh", shift=0.6), batch_size, np.ones(1))
    kappa = (batch_size - 1) / batch_size
    same, cross, product = kappa * m.f20[0], kappa * m.f11[0], m.f00[0]
    one_three = -(same + cross) / (batch_size - 2)
    three_three = (product - 2 * same) / (batch_size - 2)  # Σ_c (e_c·v)² = 1
    three_four = -(2 * one_three + three_three) / (batch_size - 3)
    return cross, one_three, three_four, float(m.ff[0] - m.f00[0])


def test_e4_forward_m_before_simplification() -> None:
    b = 8
    twelve, thirteen, thirty_four, mu = a12(b)
    truth = batchnorm_record(activation("tanh", shift=0.6), b)["forward"]["M"]
    assert (b - 1) / mu * (twelve - 2 * thirteen + thirty_four) == pytest.approx(truth, rel=1e-9)
    assert abs((b - 1) / mu * (twelve - thirteen + thirty_four) - truth) > 1e-2


def test_e5_dirichlet_form() -> None:
    """Thm E.47 with u₁ = u₂ needs the factor 1/(B−1): E(1−x²)φ′(√(B−1)x)² against Σ a_l²(l+B−3)l c_l⁻¹C_l(1)."""
    b, phi = 8, activation("tanh", shift=0.6)
    m, _ = gegenbauer_moments(phi, b, np.ones(1))
    e = gegenbauer_theorems.expand(phi, b)
    series = float(np.sum(e.coefficients**2 * (e.degree + b - 3) * e.degree * e.inverse_c * e.value(1.0)))
    assert m.gg[0] - m.ggxx[0] == pytest.approx(series / (b - 1), rel=1e-9)


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("b", [4, 8, 64])
def test_e6_third_form_of_the_rate_and_e7_of_part_a(alpha: float, b: int) -> None:
    phi = Homogeneous(1.0, 0.3, alpha)
    c = -1 / (b - 1)
    one, at, slope = phi.a**2 + phi.b**2, float(phi.kernel(c)), float(phi.kernel_slope(c))
    contrast = one - at
    inner = (2 * alpha - 1) * slope / alpha**2  # J of φ′/α, Prop E.23
    first = (b - 3 + 2 * alpha) * ((2 * alpha - 1) * slope + alpha**2 * (b - 1) * one)
    first = first / ((2 * alpha - 1) * (b - 3) * (b - 1) * contrast) - alpha**2 / (b - 3)

    def third(last: float) -> float:
        top = (b - 2) * one + (b - 3 + 2 * alpha) * inner / (b - 1) + (2 * alpha - 1) * last
        return alpha**2 * top / ((2 * alpha - 1) * (b - 3) * contrast)

    assert third(at) == pytest.approx(first, rel=1e-12)
    assert abs(third(contrast) - first) > 1e-3
    # Thm G.6: λ_G^A second form, with α² and J′ in place of α′² and J
    k = phi.c_alpha * ((b - 1) / 2) ** alpha * math.gamma((b - 1) / 2) / math.gamma((b - 1) / 2 + alpha)
    mu = k * contrast
    c_below = 2 ** (alpha - 2) * math.gamma(alpha - 0.5) / math.sqrt(math.pi)
    poch = math.gamma((b - 3) / 2 + alpha) / math.gamma((b - 3) / 2)
    r = (2 * alpha - 1) * c_below * b * (b - 1) ** (alpha - 1) / poch / 2**alpha
    slope_one = alpha**2 * one / (2 * alpha - 1)
    truth = r / mu * ((b - 1) / b * slope_one + slope / b)
    second = (2 * alpha + b - 3) * (alpha**2 * (b - 1) * one + (2 * alpha - 1) * slope)
    assert second / ((2 * alpha - 1) * (b - 3) * (b - 1) * contrast) == pytest.approx(truth, rel=1e-11)


@pytest.mark.parametrize("c", [-0.6, -0.2, 0.3])
def test_e8_slope_of_the_kernel(c: float) -> None:
    a, b, alpha = 1.0, 0.4, 1.5
    phi, above = Homogeneous(a, b, alpha), Homogeneous(1.0, 0.0, alpha + 1)
    bracket = (a * a + b * b) * float(above.kernel(c)) + 2 * a * b * float(above.kernel(-c))
    numeric = float(phi.kernel(c + 1e-6) - phi.kernel(c - 1e-6)) / 2e-6
    value, front = float(phi.kernel(c)), (2 * alpha + 1) / (1 - c * c)
    assert front * (bracket - c * value) == pytest.approx(numeric, rel=1e-8)
    assert abs(front * bracket - c * value - numeric) > 1e-2


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0])
def test_e9_large_batch_expansion(alpha: float) -> None:
    phi = activation("alpha-relu", alpha=alpha)
    power = homogeneous(phi)
    assert power is not None
    contrast = 1 - float(power.kernel(0.0))
    r0 = float(power.kernel_slope(0.0)) / contrast
    bend = float(power.kernel_slope(1e-5) - power.kernel_slope(-1e-5)) / 2e-5 / contrast

    def coefficient(space: str, limit: float) -> float:  # of 1/B, Richardson-extrapolated
        small, large = (b * (batchnorm_record(phi, b)["forward"][space] - limit) for b in (2000, 4000))
        return 2 * large - small

    assert coefficient("L", alpha) == pytest.approx(-2 * alpha**2 - alpha + r0, abs=2e-3)
    assert coefficient("M", r0) == pytest.approx((1 - 2 * alpha) * r0 - bend - r0**2, abs=2e-3)
    printed = 2 * alpha**3 - 4 * alpha**2 - alpha + r0
    assert (abs(printed - (-2 * alpha**2 - alpha + r0)) < 1e-12) == (alpha == 1)


def test_e11_no_inverse_on_sigma() -> None:
    rng = np.random.default_rng(0)
    gram, phi = np.cov(rng.normal(size=(4, 12))), activation("relu")
    power = homogeneous(phi)
    assert power is not None
    sampled, error = sampled_forward(gram, Layer(phi), Sample.draw(3, 13))
    assert np.max(np.abs(laplace_forward(gram, power) - sampled)) < 5 * error
    inverse = np.linalg.pinv(centre(gram))  # what V_φ((I+2sΣ)⁻¹Σ⁻¹) would be fed
    assert np.max(np.abs(laplace_forward(inverse, power) - sampled)) > 20 * error


def dos(u: float, v: float, w: float, x: Matrix) -> Matrix:
    """Diagonal-off-diagonal semidirect operator: x_ii ↦ u·x_ii, x_ij ↦ w·x_ij + v·(x_ii + x_jj)."""
    out = w * x + v * (np.diag(x)[:, None] + np.diag(x)[None, :])
    np.fill_diagonal(out, u * np.diag(x))
    return out


def test_e12_eigenvector_of_semidirect_operators() -> None:
    u, v, w, b = 1.3, 0.2, 0.5, 6

    def bsb1(diagonal: float, off: float) -> Matrix:
        return np.full((b, b), off) + (diagonal - off) * np.eye(b)

    right, printed = bsb1(w - u, -2 * v), bsb1(w - u, w * v)
    assert np.allclose(dos(u, v, w, right), u * right)
    assert not np.allclose(dos(u, v, w, printed), u * printed)


def test_e14_eigenvalue_between_blocks() -> None:
    b, b1, d, f, c, low = 7, 3, 2.0, 0.7, 0.3, 0.4
    gram = np.full((b, b), low)
    gram[:b1, :b1] = f + (d - f) * np.eye(b1)
    gram[:b1, b1:] = gram[b1:, :b1] = c
    between = ((d - f) * (b - b1) + (f + low - 2 * c) * b1 * (b - b1)) / b
    printed = ((d - f) * (b - b1) + (f - c) * b * (b - b1)) / b
    values = np.linalg.eigvalsh(centre(gram))
    assert np.min(np.abs(values - between)) < 1e-12
    assert np.min(np.abs(values - printed)) > 0.1
    y = np.arange(1.0, b - b1 + 1)
    null = np.concatenate([np.full(b1, y.mean()), y])
    assert np.allclose(centre(gram) @ null, 0)
    assert not np.allclose(centre(gram) @ np.concatenate([np.full(b1, -y.mean()), y]), 0)


@pytest.mark.parametrize("b", [4, 6, 9])
def test_e15_weight_of_one_cosine(b: int) -> None:
    x = np.random.default_rng(0).normal(size=(200_000, b - 1))
    cosine = x[:, 0] / np.linalg.norm(x, axis=1)

    def second_moment(power: float) -> float:
        top, _ = integrate.quad(lambda t: t * t * (1 - t * t) ** power, -1, 1)
        bottom, _ = integrate.quad(lambda t: (1 - t * t) ** power, -1, 1)
        return float(top / bottom)

    error = np.std(cosine**2) / np.sqrt(len(cosine))
    assert abs(np.mean(cosine**2) - second_moment((b - 4) / 2)) < 4 * error
    assert abs(np.mean(cosine**2) - second_moment((b - 3) / 2)) > 10 * error


def test_e16_norm_of_the_axes() -> None:
    b = 7
    rows = np.linalg.eigh(np.eye(b) - 1 / b)[1][:, 1:]
    assert np.allclose(np.linalg.norm(rows, axis=1), math.sqrt((b - 1) / b))


def pure_degree(degree: int, b: int) -> float:
    """λ_L↑ of an activation of one Gegenbauer degree: w_l/v_l (Thm F.22)."""
    return gegenbauer_theorems.forward_l(gegenbauer_theorems.Expansion(b, np.eye(degree + 3)[degree]))


@pytest.mark.parametrize("b", [10, 16, 32, 64])
def test_e28_degree_one_pulls_back(b: int) -> None:
    """w_l ≥ v_l from l = 2 on; at l = 1, where v₁ = B, w₁ − v₁ = −2B/(1+B). Degree 1 is the linear network's."""
    assert pure_degree(1, b) == pytest.approx(1 - 2 * b / (1 + b) / b, rel=1e-12)
    assert pure_degree(1, b) == pytest.approx(batchnorm_record(activation("identity"), b)["forward"]["L"], rel=1e-9)
    assert pure_degree(1, b) < 1
    assert all(pure_degree(degree, b) >= 1 for degree in range(2, 30))


def sampled_l_rate(name: str, b: int, points: int = 40_000) -> tuple[float, float]:
    """λ_L↑ and its standard error from points on the sphere, by φ and φ′ alone.

    BN makes z = √B·y/|y| of the centred Gaussian y. With dy = G·e_a·y_a, which changes μ·G by 2μ·G·e_a·e_aᵀ·G,
    dz_i = δ_ia·z_a − z_a/B − z_i·z_a²/B. The answer E[dφ·φᵀ + φ·dφᵀ] is read off along the L part of G·e_a·e_aᵀ·G.
    """
    phi = activation(name)
    y = centre_rows(np.random.default_rng(0).standard_normal((points, b)))
    z = np.sqrt(b) * y / np.linalg.norm(y, axis=1, keepdims=True)
    f, slope = centre_rows(phi.phi(z)), phi.derivative(z)
    total, moved = slope.sum(1, keepdims=True), slope * z
    own = moved - moved / b - moved * z**2 / b  # dφ of the sample that is moved
    mean = (moved - total * z / b - moved.sum(1, keepdims=True) * z**2 / b) / b  # of dφ over the batch
    along = moved * f - z / b * (slope * f).sum(1, keepdims=True) - z**2 / b * (moved * f).sum(1, keepdims=True)
    top = 2 * ((own - mean) * f - along / b).sum(1) / (2 * b * (((b - 1) / b) ** 2 - (b - 1) / b**2))
    mu = (f**2).sum(1) / (b - 1)
    rate = float(top.mean() / mu.mean())
    return rate, float(np.std(top - rate * mu, ddof=1) / mu.mean() / np.sqrt(points))


def centre_rows(values: Float[np.ndarray, "points b"]) -> Float[np.ndarray, "points b"]:
    return values - values.mean(1, keepdims=True)


REPELS = {"gelu": (1.025, 39), "silu": (1.059, 26), "softplus": (1.018, 43)}
"""λ_L↑ at B = 64, and the first B at which it is above 1."""


@pytest.mark.parametrize("name", ["relu", "leaky-relu", "tanh", "sigmoid", "elu", "selu", "mish", *REPELS])
def test_e29_bsb1_repels_for_todays_activations(name: str) -> None:
    theory = batchnorm_record(activation(name), 64)["forward"]
    rate, error = sampled_l_rate(name, 64)
    assert abs(rate - theory["L"]) < 4 * error
    assert abs(rate - 1) > 20 * error
    assert (rate > 1) == (name in REPELS)
    assert theory["M"] < 1
    if name in REPELS:
        quoted, first = REPELS[name]
        assert theory["L"] == pytest.approx(quoted, abs=5e-4)
        below, above = (batchnorm_record(activation(name), b)["forward"]["L"] for b in (first - 1, first))
        assert below < 1 < above


@pytest.mark.slow
@pytest.mark.parametrize(("name", "leaves"), [("relu", False), *((name, True) for name in REPELS)])
def test_e29_finite_networks_leave_bsb1(name: str, leaves: bool) -> None:
    """A tenth more variance for every other sample grows by λ_L↑ a layer in networks of width 4096, or decays."""
    b, width, networks, first, last = 64, 4096, 16, 2, 12
    sign = np.where(np.arange(b) % 2, 1.0, -1.0)
    inputs = bsb1_inputs(b, width) * torch.from_numpy(np.sqrt(1 + 0.1 * sign))[:, None]
    law = NetworkLaw(torch_activation(name), width, last)
    sample = sample_networks(law, inputs, networks=networks, seed=width, backward=False)
    part = np.einsum("klij,ij->kl", sample.forward, centre(np.diag(sign)))
    growth = ratio_of(part[:, last], part[:, first])
    rate = growth.value ** (1 / (last - first))
    error = rate * growth.error / growth.value / (last - first)
    theory = batchnorm_record(activation(name), b)["forward"]["L"]
    assert abs(rate - theory) < 4 * error
    assert (rate - 4 * error > 1) == leaves
    assert (rate + 4 * error < 1) != leaves


def test_critical_eps_reconciles_the_text() -> None:
    """ε ameliorates but does not eliminate below the critical value; above it gradients vanish (Sec. 3.1.2, 4)."""
    rates = [batchnorm_record(activation("tanh"), 64, eps=eps)["backward"]["G"] for eps in (0.0, 0.5, 0.99, 1.01, 2.0)]
    assert rates[0] > rates[1] > rates[2] > 1 > rates[3] > rates[4]
