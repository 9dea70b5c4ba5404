"""The theory of batch normalisation against sampled networks at widths 256, 512 and 1024, extrapolated in 1/N."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, bsb1_inputs, centring, sample_networks
from phasemap.models.sampling.rates import (
    Estimate,
    Extrapolation,
    backward_rate,
    cross_batch_correlation,
    cross_batch_gradient_rate,
    cross_batch_rate,
    cross_blocks,
    extrapolate,
    forward_rates,
    gradient_explosion_rate,
    mean_of,
    probe_gradient,
    ratio_of,
    split,
    weight_gradient,
)
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError

Array = NDArray[np.float64]
WIDTHS = (256, 512, 1024)
WIDE = (1024, 2048, 4096)  # at B = 64, where B/256 is no small number
STANDARD_ERRORS = 4.0


def mean_entries(matrices: Array) -> Estimate:
    """The mean entry of the centred-free matrices (K × layers × B × B), over networks."""
    return mean_of(matrices.mean((1, 2, 3)))


def measure_one_batch(
    name: str,
    size: int,
    width: int,
    networks: int,
    *,
    gamma: float,
    beta: float,
    eps: float,
    sigma_w: float,
    depth: int,
) -> dict[str, Estimate]:
    """λ_G↓, the forward eigenvalues and the fixed point from networks of one width, started at the fixed point."""
    phi = activation(name, scale=gamma, shift=beta)
    mu = batchnorm_record(phi, size, eps=eps, sigma_w=sigma_w, look_beyond=False)["mu_star"]
    law = NetworkLaw(torch_activation(name), width, depth, gamma=gamma, beta=beta, eps=eps, sigma_w=sigma_w)
    sample = sample_networks(law, mu**0.5 * bsb1_inputs(size, width), networks=networks, seed=width)
    norm, on_l, on_m = forward_rates(sample, skip=3)
    settled = sigma_w**2 * sample.forward[:, 3:]
    off = settled[:, :, ~np.eye(size, dtype=bool)]
    return {
        "backward G": gradient_explosion_rate(sample, skip=1),
        "forward G": norm,
        "forward L": on_l,
        "forward M": on_m,
        "q": mean_of(np.diagonal(settled, axis1=2, axis2=3).mean((1, 2))),
        "qc": mean_of(off.mean((1, 2))),
        "weight gradient": weight_gradient(sample, skip=3),
    }


def measure_probes(name: str, size: int, width: int, networks: int) -> dict[str, Estimate]:
    """λ_L↓, λ_M↓ and everything between two batches, at ε = 0."""
    phi = torch_activation(name)
    law = NetworkLaw(phi, width, 6)
    found = {}
    for part in ("L", "M"):
        top = probe_gradient(size, part)
        sample = sample_networks(law, bsb1_inputs(size, width), networks=networks, seed=width, top=top)
        found[f"backward {part}"] = backward_rate(sample, part, layers=4)
    shared = np.kron([[1, 0], [1, 0]], centring(size))
    pair = sample_networks(law, bsb1_inputs(2 * size, width), networks=networks, seed=width, groups=2, top=shared)
    found["cross-batch forward"] = cross_batch_rate(pair, skip=1)
    found["cross-batch backward"] = cross_batch_gradient_rate(pair, layers=3)
    found["cross-batch entry"] = mean_entries(pair.forward[:, 2:, :size, size:])
    return found


def expected(name: str, size: int, **settings: float) -> dict[str, float]:
    """The theory's numbers under the names above."""
    phi = activation(name, scale=settings.get("gamma", 1.0), shift=settings.get("beta", 0.0))
    record: dict[str, Any] = batchnorm_record(
        phi, size, eps=settings.get("eps", 0.0), sigma_w=settings.get("sigma_w", 1.0), look_beyond=False
    )
    numbers = {f"{side} {part}": record[side][part] for side in ("forward", "backward") for part in "GLM"}
    return numbers | {
        "q": record["q_star"],
        "qc": record["q_star"] * record["c_star"],
        "weight gradient": record["mu_star"] / settings.get("sigma_w", 1.0) ** 2,
        "cross-batch forward": record["cross_batch"]["rate"],
        "cross-batch backward": record["cross_batch"]["rate"],
        "cross-batch entry": record["cross_batch"]["c_star"],
    }


def check(
    found: list[dict[str, Estimate]],
    theory: dict[str, float],
    precision: dict[str, float],
    widths: tuple[int, ...] = WIDTHS,
) -> None:
    """Every quantity within 4 standard errors of the theory in the limit, and measured at least to ``precision``.

    A term c/N² moves the intercept of a straight line in 1/N at N, 2N and 4N by −5c/(4N)² (equal weights). It is
    allowed for with c = slope²/value, the size that it has for a geometric or exponential dependence on 1/N.
    """
    for key in found[0]:
        if max(each[key].spread for each in found) < 1e-10:  # fixed by BN, not only in the mean
            assert found[0][key].value == pytest.approx(theory[key], abs=1e-10), key
            continue
        if np.isnan(found[0][key].value):
            assert key == "forward G"
            continue
        limit: Extrapolation = extrapolate(widths, [each[key] for each in found])
        assert limit.error < precision[key], (key, limit)
        second_order = 5 / widths[-1] ** 2 * limit.slope**2 / abs(theory[key]) if theory[key] else 0.0
        allowed = STANDARD_ERRORS * limit.error + second_order
        assert abs(limit.value - theory[key]) < allowed, (key, limit, theory[key])


ONE_BATCH_PRECISION = {
    "backward G": 0.006, "forward G": 0.1, "forward L": 0.03, "forward M": 0.03, "q": 0.01, "qc": 0.01,
    "weight gradient": 0.01,
}  # fmt: skip
DEFAULT = {"gamma": 1.0, "beta": 0.0, "eps": 0.0, "sigma_w": 1.0}


def run_one_batch(name: str, size: int, networks: int, depth: int, settings: dict[str, float]) -> None:
    settings = DEFAULT | settings
    widths = WIDE if size >= 64 else WIDTHS
    found = [
        measure_one_batch(name, size, width, networks, depth=depth, **settings)  # type: ignore[arg-type]
        for width in widths
    ]
    check(found, expected(name, size, **settings), ONE_BATCH_PRECISION, widths)


@pytest.mark.parametrize(
    ("name", "size", "networks", "settings"),
    [
        ("relu", 8, 60, {}),
        pytest.param("relu", 32, 25, {}, marks=pytest.mark.slow),
        pytest.param("tanh", 8, 60, {}, marks=pytest.mark.slow),
        ("relu", 10, 60, {"beta": 1.0}),
        ("tanh", 8, 60, {"gamma": 1.5, "eps": 0.3, "sigma_w": 1.2}),
        pytest.param("gelu", 8, 60, {"eps": 1e-3}, marks=pytest.mark.slow),
    ],
)
def test_rates_and_fixed_point(name: str, size: int, networks: int, settings: dict[str, float]) -> None:
    run_one_batch(name, size, networks, 16, settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "networks", "settings"),
    [
        ("relu", 6, 600, {}),
        ("relu", 8, 600, {}),
        ("relu", 32, 300, {}),
        ("relu", 64, 60, {}),
        ("relu", 16, 300, {"beta": 1.0}),
        ("relu", 16, 300, {"beta": 2.0, "eps": 0.3}),
        ("tanh", 8, 600, {}),
        ("tanh", 32, 300, {"gamma": 0.5}),
        ("tanh", 16, 300, {"gamma": 2.0, "beta": 0.6}),
        ("tanh", 16, 300, {"eps": 0.5, "sigma_w": 1.3}),
        ("erf", 12, 300, {}),
        ("sin", 12, 300, {}),
        ("abs", 12, 300, {}),
        ("identity", 8, 600, {}),
        ("leaky-relu", 12, 300, {}),
        ("gelu", 16, 300, {}),
        ("silu", 8, 600, {}),
        ("silu", 16, 300, {"eps": 1e-3}),
        ("softplus", 16, 300, {}),
    ],
)
def test_rates_and_fixed_point_precisely(name: str, size: int, networks: int, settings: dict[str, float]) -> None:
    run_one_batch(name, size, networks, 20, settings)


PROBE_PRECISION = {
    "backward L": 0.08, "backward M": 0.08, "cross-batch forward": 0.02, "cross-batch backward": 0.08,
    "cross-batch entry": 0.01,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "networks"), [("relu", 8, 100), ("tanh", 8, 60)])
def test_backward_l_and_m_and_two_batches(name: str, size: int, networks: int) -> None:
    check([measure_probes(name, size, width, networks) for width in WIDTHS], expected(name, size), PROBE_PRECISION)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "networks"),
    [
        ("relu", 6, 400),
        ("relu", 8, 400),
        ("tanh", 8, 400),
        ("identity", 8, 200),
        ("relu", 32, 80),
        ("sin", 12, 200),
    ],
)
def test_backward_l_and_m_and_two_batches_precisely(name: str, size: int, networks: int) -> None:
    check([measure_probes(name, size, width, networks) for width in WIDTHS], expected(name, size), PROBE_PRECISION)


def test_what_does_not_fluctuate_has_no_rate() -> None:
    """BN fixes the trace of a linear network at ε = 0, so nothing can be regressed on it."""
    identity = torch_activation("identity")
    norm, on_l, on_m = forward_rates(
        sample_networks(NetworkLaw(identity, 64, 5), bsb1_inputs(6, 64), networks=4, backward=False), skip=1
    )
    assert np.isnan(norm.value)
    assert np.isfinite(on_l.value)
    assert np.isfinite(on_m.value)
    three = sample_networks(NetworkLaw(identity, 64, 5), bsb1_inputs(3, 64), networks=4, backward=False)
    assert np.isnan(forward_rates(three, skip=1)[2].value)


def test_split_is_the_orthogonal_decomposition() -> None:
    generator = np.random.default_rng(0)
    raw = generator.standard_normal((3, 6, 6))
    symmetric = raw + raw.swapaxes(1, 2)
    g = centring(6)
    coefficient, on_l, on_m = split(symmetric)
    np.testing.assert_allclose(coefficient[:, None, None] * g + on_l + on_m, g @ symmetric @ g, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(on_m, axis1=1, axis2=2), 0, atol=1e-12)
    for part in (on_l, on_m):
        np.testing.assert_allclose(part @ np.ones(6), 0, atol=1e-12)
        np.testing.assert_allclose(np.trace(part, axis1=1, axis2=2), 0, atol=1e-12)
    np.testing.assert_allclose(np.einsum("kij,kij->k", on_l, on_m), 0, atol=1e-11)
    diagonal = np.diag([2.0, -1, 0.5, -1.5, 1, -1])
    np.testing.assert_allclose(split(g @ diagonal @ g)[1], g @ diagonal @ g, atol=1e-12)
    again = split(on_m)
    np.testing.assert_allclose(again[2], on_m, atol=1e-12)


@pytest.mark.parametrize("part", ["L", "M"])
def test_probe_has_a_large_part_where_it_should(part: str) -> None:
    root = probe_gradient(8, part)
    coefficient, on_l, on_m = split(root @ root.T)
    own, other = (on_l, on_m) if part == "L" else (on_m, on_l)
    assert np.linalg.norm(own) > 0.3 * coefficient * np.sqrt(7)
    assert np.linalg.norm(other) < 1e-12
    with pytest.raises(InputError, match="even batch size"):
        probe_gradient(7, part)


def test_extrapolation_of_a_straight_line() -> None:
    """The limit of exact data is exact, and its error is the standard deviation over repeated noise."""
    errors = {256: 0.03, 512: 0.02, 1024: 0.02}
    exact = [Estimate(2.0 + 5 / width, error, error, 1) for width, error in errors.items()]
    limit = extrapolate(WIDTHS, exact)
    assert limit.value == pytest.approx(2.0, abs=1e-12)
    assert limit.slope == pytest.approx(5.0, abs=1e-8)
    assert limit.chi_square == pytest.approx(0.0, abs=1e-16)
    generator = np.random.default_rng(0)
    noisy = [
        extrapolate(
            WIDTHS,
            [Estimate(2.0 + 5 / w + e * generator.standard_normal(), e, e, 1) for w, e in errors.items()],
        )
        for _ in range(4000)
    ]
    values = np.array([fit.value for fit in noisy])
    assert values.std() == pytest.approx(limit.error, rel=0.06)  # 4 standard errors of a standard deviation: 4/√8000
    assert np.mean([fit.chi_square for fit in noisy]) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 4000))


@pytest.mark.parametrize(("widths", "error"), [((256, 256), 0.1), ((256,), 0.1), ((256, 512), 0.0)])
def test_extrapolation_refuses_what_has_no_limit(widths: tuple[int, ...], error: float) -> None:
    with pytest.raises(InputError, match="at least two different"):
        extrapolate(widths, [Estimate(1.0, error, error, 1) for _ in widths])


def test_error_of_a_ratio() -> None:
    """The standard error covers the spread of repeated ratios."""
    generator = np.random.default_rng(0)
    below = generator.gamma(4.0, size=(2000, 200))
    above = 0.7 * below + generator.standard_normal((2000, 200))
    ratios = [ratio_of(a, b) for a, b in zip(above, below, strict=True)]
    values = np.array([r.value for r in ratios])
    assert values.mean() == pytest.approx(0.7, abs=0.01)
    assert values.std() == pytest.approx(float(np.mean([r.error for r in ratios])), rel=0.07)


def test_identical_batches_stay_identical_and_orthogonal_ones_uncorrelated() -> None:
    law = NetworkLaw(torch_activation("tanh"), 64, 5)
    batch = bsb1_inputs(8, 64)[:4]
    same = sample_networks(law, batch.repeat(2, 1), networks=3, groups=2, backward=False)
    np.testing.assert_allclose(cross_batch_correlation(same), 1.0, atol=1e-6)
    other = sample_networks(law, bsb1_inputs(8, 64), networks=400, groups=2, backward=False)
    correlation = cross_batch_correlation(other)
    assert np.all(np.abs(correlation.mean(0)[1:]) < 4 * correlation.std(0)[1:] / 20)
    one, two, across = cross_blocks(other.forward)
    assert one.shape == two.shape == across.shape == (400, 6, 4, 4)


def test_batches_of_four_need_logarithms() -> None:
    """At B = 4 the squared gradient has no variance; the mean logarithm approaches ln λ_G↓ from below as N grows."""
    limit = batchnorm_record(activation("relu"), 4)["backward"]["G"]
    rates = [
        gradient_explosion_rate(
            sample_networks(NetworkLaw(torch_activation("relu"), width, 16), bsb1_inputs(4, width), networks=100),
            skip=1,
        )
        for width in (32, 181, 1024)
    ]
    assert rates[0].value < rates[1].value < rates[2].value < limit
    assert rates[2].value > 0.92 * limit


def test_batches_of_three_explode_without_limit() -> None:
    """App. J: at B = 3 E|δ|² diverges like ∫ dr/r, so the growth per layer rises with ln N, without end."""
    relu = torch_activation("relu")
    rates = [
        gradient_explosion_rate(
            sample_networks(NetworkLaw(relu, width, 16), bsb1_inputs(3, width), networks=100), skip=1
        )
        for width in (16, 128, 1024)
    ]
    steps = np.diff([rate.value for rate in rates])
    errors = np.sqrt([rates[i].error ** 2 + rates[i + 1].error ** 2 for i in range(2)])
    assert np.all(steps > 4 * errors)
    assert abs(steps[1] - steps[0]) < 4 * np.sqrt((errors**2).sum() + rates[1].error ** 2)  # equal steps in ln N
