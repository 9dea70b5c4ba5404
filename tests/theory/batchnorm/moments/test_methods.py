"""Independent methods agree: closed forms, series, 2-D quadrature, Fourier, the paper's theorems, 1-D integrals."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.cross_checks import fourier as batchnorm_fourier
from phasemap.theory.batchnorm.cross_checks import paper_theorems as gegenbauer_theorems
from phasemap.theory.batchnorm.gradient_explosion import gradient_explosion_rate
from phasemap.theory.batchnorm.infinite_batch import infinite_batch
from phasemap.theory.batchnorm.record import batchnorm_record

at_bsb1 = partial(batchnorm_record, look_beyond=False)
BATCH_SIZES = [4, 5, 6, 8, 16, 64, 512, 4096]
SMOOTH = [
    ("tanh", {"shift": 0.6}),
    ("tanh", {"scale": 2.0}),
    ("sin", {"scale": 1.5, "shift": 0.3}),
    ("erf", {}),
    ("gelu", {}),
    ("gelu-tanh", {}),
    ("silu", {}),
    ("mish", {}),
    ("softplus", {}),
    ("sigmoid", {"scale": 3.0}),
]
HOMOGENEOUS = [
    ("relu", {}),
    ("leaky-relu", {"slope": 0.3}),
    ("abs", {}),
    ("identity", {}),
    ("alpha-relu", {"alpha": 2.0}),
    ("alpha-relu", {"alpha": 3.0}),
]


def numbers(record: dict[str, Any]) -> dict[str, float]:
    """Every number of a record that exists, by name."""
    flat = {key: record[key] for key in ("q_star", "c_star", "mu_star", "depth_scale")}
    for side in ("forward", "backward", "cross_batch"):
        flat |= {f"{side}.{key}": value for key, value in record[side].items()}
    return {key: value for key, value in flat.items() if value is not None}


def assert_same(left: dict[str, Any], right: dict[str, Any], tolerance: float) -> None:
    a, b = numbers(left), numbers(right)
    assert a.keys() == b.keys()
    for key in a:
        assert a[key] == pytest.approx(b[key], rel=tolerance, abs=tolerance * 1e-3), key


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize(("name", "options"), SMOOTH)
def test_series_and_quadrature_agree_for_smooth_activations(
    name: str, options: dict[str, float], batch_size: int
) -> None:
    phi = activation(name, **options)
    series = at_bsb1(phi, batch_size, method="gegenbauer")
    assert_same(series, at_bsb1(phi, batch_size, method="spherical"), 1e-10)
    assert series["digits"] >= 10


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize(("name", "options"), HOMOGENEOUS)
def test_closed_forms_and_quadrature_agree(name: str, options: dict[str, float], batch_size: int) -> None:
    phi = activation(name, **options)
    closed = at_bsb1(phi, batch_size)
    assert closed["method"] == "laplace"
    assert_same(closed, at_bsb1(phi, batch_size, method="spherical"), 1e-10)


@pytest.mark.parametrize("batch_size", [16, 64, 512, 4096])
@pytest.mark.parametrize("shift", [-0.5, 0.7, 2.0])
def test_series_and_quadrature_agree_for_shifted_relu(shift: float, batch_size: int) -> None:
    phi = activation("relu", shift=shift)
    series = at_bsb1(phi, batch_size, method="gegenbauer")
    assert_same(series, at_bsb1(phi, batch_size, method="spherical"), 1e-9)


@pytest.mark.parametrize(
    ("batch_size", "eps"), [(8, 0.0), (16, 0.0), (64, 0.0), (16, 1e-3), pytest.param(8, 1e-3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("name", "options"), [("elu", {}), ("elu", {"alpha": 0.4}), ("selu", {})])
def test_series_and_quadrature_agree_for_elu(name: str, options: dict[str, float], batch_size: int, eps: float) -> None:
    phi = activation(name, **options)
    series, quadrature = (at_bsb1(phi, batch_size, eps=eps, method=m) for m in ("gegenbauer", "spherical"))
    assert_same(series, quadrature, 1e-9)


@pytest.mark.parametrize("batch_size", [8, 16, 64])
@pytest.mark.parametrize("name", ["gelu", "silu", "mish", "softplus", "sigmoid"])
def test_series_and_quadrature_agree_with_eps(name: str, batch_size: int) -> None:
    phi = activation(name)
    series, quadrature = (at_bsb1(phi, batch_size, eps=1e-3, method=m) for m in ("gegenbauer", "spherical"))
    assert_same(series, quadrature, 1e-10)


def shifted_relu_rate(b: int, shift: float) -> float:
    """λ_G↓ of relu(z + shift) by 1-D integrals of K″, K(c) = E φ(√(B−1)x₁)φ(√(B−1)x₂) at cosine c.

    Derivatives in c raise the dimension of the sphere by two: K″ is a density on S^(B+2), K′(±1) a cap on S^B.
    """
    d, x0, c0 = b - 1, -shift / math.sqrt(b - 1), -1 / (b - 1)

    def second(c: float) -> float:
        inside = 1 - 2 * x0 * x0 / (1 + c) if c > -1 else (1.0 if x0 == 0 else -1.0)
        return max(inside, 0.0) ** (d / 2) / (2 * math.pi * math.sqrt(1 - c * c)) if inside > 0 else 0.0

    def cap(x: float) -> float:  # P(cosine > x) on the sphere in R^(d+2)
        tail = special.betainc((d + 1) / 2, 0.5, 1 - min(x * x, 1.0)) / 2
        return float(tail if x >= 0 else 1 - tail)

    # c = sin t removes the square roots at ±1; K″ starts at c = 2x0² − 1
    start, middle = math.asin(max(2 * min(x0 * x0, 1.0) - 1, -1.0)), math.asin(c0)

    def integral(weight: Any, low: float, high: float) -> float:
        if high <= low:
            return 0.0
        value, _ = integrate.quad(
            lambda t: weight(math.sin(t)) * second(math.sin(t)) * math.cos(t),
            low,
            high,
            epsabs=0,
            epsrel=1e-13,
            limit=400,
        )
        return float(value)

    at_minus_one = max(1 - 2 * cap(-x0), 0.0) if shift > 0 else 0.0
    slope_one = cap(x0)
    slope_c0 = at_minus_one + integral(lambda c: 1.0, start, middle)
    spread = slope_one * (1 - c0) - integral(lambda c: c - c0, max(middle, start), math.pi / 2)
    return (b - 2) / (b - 3) * (slope_one + slope_c0 / (b - 1) + b / (b - 1) ** 2 * second(c0)) / spread


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.7, 1.5])
def test_shifted_relu_rate_by_one_dimensional_integrals(shift: float, batch_size: int) -> None:
    rate = gradient_explosion_rate(activation("relu", shift=shift), batch_size)
    assert rate == pytest.approx(shifted_relu_rate(batch_size, shift), rel=1e-9)


@pytest.mark.parametrize("batch_size", [4, 5, 6, 8, 16, 32])
@pytest.mark.parametrize(("name", "options"), SMOOTH)
def test_the_papers_quadratic_forms(name: str, options: dict[str, float], batch_size: int) -> None:
    phi = activation(name, **options)
    record, expansion = (
        at_bsb1(phi, batch_size),
        gegenbauer_theorems.expand(phi, batch_size, terms=160, nodes=1024),
    )
    q, qc = gegenbauer_theorems.fixed_point(expansion)
    assert q == pytest.approx(record["q_star"], rel=1e-10)
    assert qc == pytest.approx(record["q_star"] * record["c_star"], rel=1e-10, abs=1e-14)
    assert gegenbauer_theorems.explosion_rate(expansion) == pytest.approx(record["backward"]["G"], rel=1e-10)
    assert gegenbauer_theorems.forward_l(expansion) == pytest.approx(record["forward"]["L"], rel=1e-9, abs=1e-11)
    assert gegenbauer_theorems.forward_m(expansion) == pytest.approx(record["forward"]["M"], rel=1e-9, abs=1e-11)
    entry, rate = gegenbauer_theorems.cross_batch(expansion)
    assert entry == pytest.approx(record["cross_batch"]["c_star"], rel=1e-10, abs=1e-14)
    assert rate == pytest.approx(record["cross_batch"]["rate"], rel=1e-10)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize(("name", "scale"), [("erf", 1.0), ("sin", 1.5)])
def test_fourier_method(name: str, scale: float, batch_size: int) -> None:
    phi = activation(name, scale=scale)
    record = at_bsb1(phi, batch_size)
    q, qc = batchnorm_fourier.fixed_point(phi, batch_size)
    assert q == pytest.approx(record["q_star"], rel=1e-12)
    assert qc == pytest.approx(record["q_star"] * record["c_star"], rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("eps", [0.0, 0.2])
@pytest.mark.parametrize(
    ("name", "options"),
    [("tanh", {"shift": 0.3}), ("relu", {}), ("relu", {"shift": 0.4}), ("gelu", {}), ("softplus", {}), ("selu", {})],
)
def test_large_batches_approach_the_limit_like_one_over_b(name: str, options: dict[str, float], eps: float) -> None:
    phi = activation(name, **options)
    limit = infinite_batch(phi, eps=eps)
    gaps = []
    for batch_size in (512, 1024):
        record = at_bsb1(phi, batch_size, eps=eps)
        pairs = [(record["q_star"], limit.q_star), (record["c_star"], limit.c_star)]
        pairs += [(record["forward"][key], getattr(limit.forward, key)) for key in "GLM"]
        pairs += [(record["backward"][key], getattr(limit.backward, key)) for key in "GLM"]
        pairs += [(record["cross_batch"]["rate"], limit.rate), (record["cross_batch"]["c_star"], limit.cross_batch)]
        gaps.append(np.array([finite - infinite for finite, infinite in pairs]))
    assert np.max(np.abs(gaps[1])) < 6e-3
    assert np.max(np.abs(gaps[0] - 2 * gaps[1])) < 5e-5  # the first correction is O(1/B)


def test_no_overflow_at_the_largest_batch() -> None:
    for name, options in [*SMOOTH, *HOMOGENEOUS, ("relu", {"shift": 0.7})]:
        for eps in (0.0, 1e-3):
            values = numbers(at_bsb1(activation(name, **options), 4096, eps=eps))
            assert all(math.isfinite(value) for value in values.values())
