"""ε > 0: the fixed point, the critical ε, the collapsed side, and what the record says there (docs/epsilon.md)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.fixed_point import critical_eps
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.batchnorm.infinite_batch import limit_record
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.whole_batch.covariance import Layer, laplace_forward, propagate
from phasemap.theory.homogeneous import homogeneous


@pytest.mark.parametrize("sigma_w", [1.0, pytest.param(1.7, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "options", "slope"),
    [
        ("tanh", {}, 1.0),
        ("tanh", {"scale": 2.0}, 2.0),
        ("relu", {"shift": 2.0}, 1.0),
        ("sin", {"scale": 0.5}, 0.5),
        ("identity", {}, 1.0),
        ("elu", {}, 1.0),
        ("softplus", {}, 0.5),
        ("sigmoid", {}, 0.25),
    ],
)
def test_the_critical_eps_of_differentiable_activations(
    name: str, options: dict[str, float], slope: float, sigma_w: float
) -> None:
    phi, critical = activation(name, **options), sigma_w**2 * slope**2
    assert critical_eps(phi, 64, sigma_w) == pytest.approx(critical, rel=1e-12)
    below = depth_scale(phi, 64, eps=0.98 * critical, sigma_w=sigma_w)
    above = depth_scale(phi, 64, eps=1.02 * critical, sigma_w=sigma_w)
    assert batchnorm_record(phi, 64, eps=0.98 * critical, sigma_w=sigma_w, look_beyond=False)["mu_star"] > 0
    assert below.regime == "exploding"
    assert 1 < below.rate < 1.01
    assert above.regime == "vanishing"
    assert above.rate == pytest.approx(1 / 1.02, rel=1e-12)
    assert {depth_scale(phi, size, eps=critical, sigma_w=sigma_w).regime for size in (5, 12, 32, 64)} == {"critical"}


def test_relu_collapses_while_gradients_still_explode() -> None:
    c = -1 / 63
    kernel = (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c) / math.pi
    critical = 63 / 128 * (1 - kernel)
    assert critical_eps(activation("relu"), 64) == pytest.approx(critical, rel=1e-12)
    below, above = (depth_scale(activation("relu"), 64, eps=f * critical) for f in (0.9999, 1.0001))
    assert below.rate == pytest.approx(1.46, abs=0.01)
    assert above.rate == pytest.approx(below.rate, rel=1e-3)  # the rate is continuous there
    assert depth_scale(activation("relu"), 64, eps=2.0).regime == "vanishing"
    assert batchnorm_record(activation("relu"), 64, eps=1.0)["forward"]["L"] is None


def test_a_fixed_point_can_disappear_abruptly() -> None:
    phi = activation("relu", shift=-0.5)
    spreads = [batchnorm_record(phi, 24, eps=float(eps))["mu_star"] for eps in np.linspace(0.005, 0.1, 12)]
    positive = [mu for mu in spreads if mu > 0]
    assert 0 < len(positive) < len(spreads)
    assert positive[-1] > 0.03  # it does not shrink to 0 before it goes
    assert depth_scale(phi, 24, eps=0.1).rate == 0  # φ = 0 around 0


@pytest.mark.parametrize("batch_size", [5, 16, "inf"])
@pytest.mark.parametrize("eps", [0.0, 1e-3, 0.1, 0.24, 0.25, 0.26, 2.0])
def test_sigmoid_is_half_a_shifted_tanh(batch_size: int | str, eps: float) -> None:
    """sigmoid(z) = ½ + ½·tanh(z/2): with σ_w doubled every rate is that of tanh(z/2), collapsed or not."""

    def record(name: str, **scales: float) -> dict[str, Any]:
        phi = activation(name, scale=0.5 if name == "tanh" else 1.0)
        if batch_size == "inf":
            return limit_record(phi, eps=eps, **scales)
        return batchnorm_record(phi, int(batch_size), eps=eps, look_beyond=False, **scales)

    one, other = record("sigmoid", sigma_w=2.0), record("tanh")
    for side in ("forward", "backward"):
        for key in "GLM":
            assert one[side][key] == pytest.approx(other[side][key], rel=1e-9, abs=1e-14)
    assert one["mu_star"] == pytest.approx(other["mu_star"], rel=1e-9)
    assert one["cross_batch"]["rate"] == pytest.approx(other["cross_batch"]["rate"], rel=1e-9)
    assert one["critical_eps"] == pytest.approx(other["critical_eps"], rel=1e-14) == pytest.approx(0.25)
    assert one["q_star"] == pytest.approx(other["q_star"] + 1, rel=1e-9)  # σ_w²·φ(0)² = 1, and E tanh = 0
    assert one["cross_batch"]["c_star"] == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("batch_size", [3, 4, 8, 64])
@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_small_eps_tends_to_none(name: str, batch_size: int) -> None:
    phi = activation(name)
    without, tiny = (batchnorm_record(phi, batch_size, eps=eps) for eps in (0.0, 1e-12))
    assert tiny["mu_star"] == pytest.approx(without["mu_star"], rel=1e-6)
    assert tiny["forward"]["L"] == pytest.approx(without["forward"]["L"], rel=1e-6)
    if batch_size > 4:  # at B = 4 the approach is like √ε, at B = 3 the limit is infinite
        assert tiny["backward"]["G"] == pytest.approx(without["backward"]["G"], rel=1e-6)
    if batch_size == 3:
        assert tiny["backward"]["G"] > depth_scale(phi, 3, eps=1e-6).rate > depth_scale(phi, 3, eps=1e-3).rate > 1


@pytest.mark.parametrize("eps", [0.01, 0.2])
def test_the_spread_of_layers_approaches_the_fixed_point_at_the_rate_of_rg(eps: float) -> None:
    layer = Layer(activation("relu"), eps, sigma_w=1.3, sigma_b=0.4)
    record = batchnorm_record(layer.activation, 8, eps=eps, sigma_w=1.3, sigma_b=0.4)
    start = 1.5 * record["mu_star"] * np.eye(8)
    spread = propagate(start, layer, 8).spread - record["mu_star"]
    assert spread[4] / spread[3] == pytest.approx(record["forward"]["G"], rel=0.05)
    star = record["q_star"] * ((1 - record["c_star"]) * np.eye(8) + record["c_star"])
    phi = homogeneous(layer.activation)
    assert phi is not None
    assert np.allclose(1.69 * laplace_forward(star, phi, eps) + 0.16, star, atol=1e-10)


def test_the_collapsed_record() -> None:
    record = batchnorm_record(activation("tanh", shift=0.3), 16, eps=5.0, sigma_b=0.5)
    slope, value = 1 - math.tanh(0.3) ** 2, math.tanh(0.3)
    assert record["mu_star"] == 0
    assert record["q_star"] == pytest.approx(value**2 + 0.25, rel=1e-12)
    assert record["c_star"] == pytest.approx(1, rel=1e-12)
    assert record["forward"]["L"] == record["backward"]["G"] == pytest.approx(slope**2 / 5, rel=1e-12)
    assert record["stable"] is True


@pytest.mark.parametrize(("shift", "eps"), [(2.0, 0.5), pytest.param(0.5, 0.1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("batch_size", [16])
def test_two_methods_agree_with_eps(shift: float, eps: float, batch_size: int) -> None:
    phi = activation("relu", shift=shift)
    series, quadrature = (batchnorm_record(phi, batch_size, eps=eps, method=m) for m in ("gegenbauer", "spherical"))
    for side in ("forward", "backward"):
        for key in "GLM":
            assert series[side][key] == pytest.approx(quadrature[side][key], rel=1e-9)
    assert series["digits"] >= 8
