"""Skip connections: the recurrences against closed forms, against whole covariances, and against sampled networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from scipy.special import gammaln

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, bsb1_inputs, centring, sample_networks
from phasemap.models.sampling.rates import Estimate, extrapolate, mean_of
from phasemap.theory.activations import Activation, activation
from phasemap.theory.batchnorm.gradient_explosion import gradient_explosion_rate
from phasemap.theory.batchnorm.infinite_batch import limit_record
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.skip_connections import gradient_exponent, residual_growth, with_residual
from phasemap.theory.batchnorm.whole_batch.covariance import (
    Gram,
    Layer,
    backpropagate,
    centre,
    input_gram,
    laplace_backward,
    propagate,
)
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous

ACTIVATIONS = ["relu", "tanh", "identity", "abs"]


def product(depth: int, start: float, rate: float) -> Float[np.ndarray, " layers"]:
    """ln Π_{k=l}^{L−1} (1 + λ/(k − 1 + μ¹/μ*)) by the Gamma function, with start = μ¹/μ*."""
    at = np.arange(depth) + start
    below = gammaln(at + rate) - gammaln(at)
    return below[-1] - below


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("block_layers", [1, 3])
def test_without_eps_it_is_a_ratio_of_gamma_functions(name: str, block_layers: int) -> None:
    phi, batch_size, sigma_w = activation(name), 12, 1.7
    found = residual_growth(phi, batch_size, 60, spread=0.4, sigma_w=sigma_w, block_layers=block_layers)
    mu = sigma_w**2 * batchnorm_record(phi, batch_size)["mu_star"]
    np.testing.assert_allclose(found.spread, 0.4 + mu * np.arange(60), rtol=1e-12)
    rate = gradient_explosion_rate(phi, batch_size) ** block_layers
    assert gradient_exponent(phi, batch_size, block_layers=block_layers) == rate
    np.testing.assert_allclose(found.log_gradient, product(60, 0.4 / mu, rate), rtol=1e-10, atol=1e-12)


@given(
    st.sampled_from(ACTIVATIONS),
    st.integers(5, 40),
    st.floats(1e-6, 0.5),
    st.floats(0.3, 3.0),
    st.floats(0.1, 10.0),
)
@settings(max_examples=20)
def test_neither_eps_nor_sigma_w_nor_the_input_change_the_exponent(
    name: str, batch_size: int, eps: float, sigma_w: float, spread: float
) -> None:
    """d ln tr Π/d ln μ at the deep end is −λ_G↓ to O(1/l) and O(ε/μ), which are both below 1 % there."""
    phi = activation(name)
    mu = sigma_w**2 * batchnorm_record(phi, batch_size)["mu_star"]
    deep = residual_growth(phi, batch_size, 3, spread=max(spread, 400 * mu, 400 * eps), eps=eps, sigma_w=sigma_w)
    slope = -np.diff(deep.log_gradient) / np.diff(np.log(deep.spread))
    np.testing.assert_allclose(slope, gradient_exponent(phi, batch_size), rtol=0.02)


@pytest.mark.parametrize(("name", "options"), [("relu", {}), ("alpha-relu", {"alpha": 1.5}), ("identity", {})])
@pytest.mark.parametrize(
    ("eps", "own_mean"),
    [
        (0.0, True),
        (0.2, False),
        *(pytest.param(*others, marks=pytest.mark.slow) for others in ((0.0, False), (0.2, True))),
    ],
)
def test_it_is_the_whole_covariance_at_bsb1(name: str, options: dict[str, float], eps: float, own_mean: bool) -> None:
    """Σ^l and Π^l as B × B matrices; at the top a gradient without, or with the batch mean's share 1/B."""
    phi, batch_size, depth = activation(name, **options), 7, 12
    layer = Layer(phi, eps, sigma_w=1.3, sigma_b=0.4, skip=True)
    transient = propagate(0.8 * np.eye(batch_size) + 0.3, layer, depth)
    share = 1 / batch_size if own_mean else 0.0
    gradients = backpropagate(transient, layer, np.eye(batch_size) if own_mean else centring(batch_size))
    found = residual_growth(phi, batch_size, depth, spread=0.8, eps=eps, sigma_w=1.3, mean_share=share)
    np.testing.assert_allclose(transient.spread, found.spread, rtol=1e-9)
    traces = np.log([np.trace(gradient) for gradient in gradients])
    np.testing.assert_allclose(traces - traces[-1], found.log_gradient, rtol=1e-8, atol=1e-9)


def direction(space: str, batch_size: int) -> Gram:
    if space == "L":
        return centre(np.diag([1.0, -1.0] + [0.0] * (batch_size - 2)))
    zero_sums = np.zeros((batch_size, batch_size))
    for i, j, value in ((0, 1, 1), (1, 2, -1), (2, 3, 1), (3, 0, -1)):
        zero_sums[i, j] = zero_sums[j, i] = value
    return zero_sums


@pytest.mark.parametrize("space", ["L", "M"])
@pytest.mark.parametrize(
    ("name", "options", "stable"), [("relu", {}, True), ("abs", {}, True), ("alpha-relu", {"alpha": 2.0}, False)]
)
def test_what_breaks_the_symmetry_is_a_power_of_the_layer(
    space: str, name: str, options: dict[str, float], stable: bool
) -> None:
    """Σ^G = μ·(G + Δ): Δ^(l+1)/Δ^l = (μ^l + λ↑·μ*)/(μ^l + μ*), whatever the sign of λ↑ and on either side of 1."""
    phi, batch_size, depth = activation(name, **options), 9, 20
    record = batchnorm_record(phi, batch_size)
    assert with_residual(record, record)["residual"]["stable"] is stable
    mu, rate = record["mu_star"], record["forward"][space]
    step = 1e-5 * direction(space, batch_size)
    grams = [propagate(0.6 * np.eye(batch_size) + sign * step, Layer(phi, skip=True), depth) for sign in (1, -1)]
    spread = 0.6 + mu * np.arange(depth)
    relative = [
        np.sum(centre(one - other) * step) / np.sum(step * step) / 2 / at * 0.6
        for one, other, at in zip(grams[0].grams, grams[1].grams, spread, strict=True)
    ]
    expected = np.cumprod([1.0, *((spread[:-1] + rate * mu) / spread[1:])])
    np.testing.assert_allclose(relative, expected, rtol=1e-6, atol=1e-8)
    exponent = np.log(expected[-1] / expected[-2]) / np.log(spread[-1] / spread[-2])
    assert exponent == pytest.approx(rate - 1, rel=0.06)


def extrapolated(
    phi: str, batch_size: int, depth: int, widths: tuple[int, ...], networks: int, layers: tuple[int, ...]
) -> list[tuple[float, float]]:
    """(value, error) of ln tr Π^l/tr Π^L at infinite width, at each of some layers."""
    found: list[list[Estimate]] = []
    for width in widths:
        law = NetworkLaw(torch_activation(phi), width, depth, skip=True)
        log = sample_networks(law, bsb1_inputs(batch_size, width), networks=networks, seed=width).log_gradient
        found.append([mean_of(log[:, layer] - log[:, -1]) for layer in layers])
    limits = [extrapolate(widths, [one[i] for one in found]) for i in range(len(layers))]
    return [(limit.value, limit.error) for limit in limits]


@pytest.mark.parametrize(
    ("phi", "batch_size", "depth", "widths", "networks"),
    [
        ("relu", 8, 16, (24, 48), 120),
        pytest.param("relu", 8, 48, (64, 128, 256), 300, marks=pytest.mark.slow),
        pytest.param("tanh", 16, 48, (64, 128, 256), 300, marks=pytest.mark.slow),
        pytest.param("relu", 64, 48, (128, 192, 256), 60, marks=pytest.mark.slow),
    ],
)
def test_sampled_networks_have_this_growth(
    phi: str, batch_size: int, depth: int, widths: tuple[int, ...], networks: int
) -> None:
    """Linear in 1/N, extrapolated to infinite width: within 4 standard errors at three layers."""
    layers = (0, depth // 8, depth // 2)
    expected = residual_growth(activation(phi), batch_size, depth).log_gradient
    for layer, (value, error) in zip(
        layers, extrapolated(phi, batch_size, depth, widths, networks, layers), strict=True
    ):
        assert abs(value - expected[layer]) < 4 * error, (layer, value, error, expected[layer])
        assert error < 0.05 * expected[0]


def from_input(gram: Gram, phi: Activation, depth: int) -> Float[np.ndarray, " layers"]:
    """ln tr Π^l/tr Π^L by the whole covariances, below a last BN and φ whose output has a centred gradient."""
    layer = Layer(phi, skip=True)
    transient = propagate(gram, layer, depth)
    power = homogeneous(phi)
    assert power is not None
    top = laplace_backward(transient.grams[-1], power, centring(len(gram)))
    traces = np.log([np.trace(gradient) for gradient in backpropagate(transient, layer, top)])
    return traces - traces[-1]


def test_samples_of_unequal_size_are_followed_too() -> None:
    """From inputs far from BSB1 (norms from 0.3 to 2, a common part): sampled networks follow the whole covariances
    within 4 standard errors, and both are beyond 4 of them from what BSB1 would give."""
    batch_size, depth, widths = 6, 12, (32, 64)
    x = np.random.default_rng(0).normal(size=(batch_size, 16)) * np.linspace(0.3, 2, batch_size)[:, None] + 0.5
    found = []
    for width in widths:
        law = NetworkLaw(torch_activation("relu"), width, depth, skip=True)
        sample = sample_networks(law, torch.from_numpy(x), networks=400, seed=width)
        found.append(mean_of(sample.log_gradient[:, 0] - sample.log_gradient[:, -1]))
    limit = extrapolate(widths, found)
    gram = input_gram(x)
    expected = float(from_input(gram, activation("relu"), depth)[0])
    assert abs(limit.value - expected) < 4 * limit.error
    spread = float(np.trace(centre(gram))) / (batch_size - 1)
    at_bsb1 = residual_growth(activation("relu"), batch_size, depth, spread=spread).log_gradient[0]
    assert abs(limit.value - at_bsb1) > 4 * limit.error


def test_the_key_residual_of_a_record() -> None:
    for eps in (0.0, 0.3):
        record = with_residual(
            batchnorm_record(activation("tanh"), 16, eps=eps), batchnorm_record(activation("tanh"), 16)
        )
        assert record["residual"]["exponent"] == gradient_exponent(activation("tanh"), 16)
    three = batchnorm_record(activation("relu"), 3)
    found = with_residual(three, three)
    assert found["residual"]["exponent"] is None
    assert "diverges" in found["reasons"]["residual.exponent"]
    assert found["residual"]["transient_exponent"] == three["forward"]["L"] - 1
    limit = limit_record(activation("relu"))
    assert with_residual(limit, limit)["residual"] == {
        "exponent": pytest.approx(np.pi / (np.pi - 1)),
        "transient_exponent": 0.0,
        "stable": True,
    }
    none = batchnorm_record(activation("relu", shift=-90), 8)
    assert set(with_residual(none, none)["residual"].values()) == {None}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"depth": 0}, "depth 0: expected at least 1"),
        ({"block_layers": 0}, "block_layers 0: expected at least 1"),
        ({"spread": 0.0}, "spread 0.0: expected a finite number above 0"),
        ({"spread": float("nan")}, "spread nan"),
        ({"mean_share": 1.5}, "mean_share 1.5: expected a number from 0 to 1"),
        ({"batch_size": 3}, "no mean at batch size 3"),
        ({"batch_size": 2}, "the gradient is 0"),
        ({"eps": -1.0}, "--eps -1.0"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, float], text: str) -> None:
    given = {"batch_size": 8, "depth": 5, **changes}
    with pytest.raises(InputError, match=text):
        residual_growth(activation("relu"), **given)  # type: ignore[arg-type]
