"""General covariances: two methods, the fixed point and its linearisation, weight gradients, input to transient."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import Float

from phasemap.theory.activations import Activation, activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.whole_batch.covariance import (
    Layer,
    Sample,
    backpropagate,
    centre,
    input_gram,
    laplace_backward,
    laplace_forward,
    propagate,
    sampled_backward,
    sampled_forward,
    weight_gradient,
)
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import Homogeneous, homogeneous

B = 8
CASES = [
    ("relu", {}, 0.0),
    ("leaky-relu", {"slope": 0.3}, 0.2),
    ("alpha-relu", {"alpha": 1.5}, 0.0),
    ("alpha-relu", {"alpha": 2.0}, 0.1),
    ("identity", {}, 0.0),
]


def inputs(seed: int = 0) -> Float[np.ndarray, "b n"]:
    """Correlated inputs of unequal size."""
    return np.random.default_rng(seed).normal(size=(B, 20)) * np.linspace(0.5, 2, B)[:, None] + 0.3


def power(phi: Activation) -> Homogeneous:
    found = homogeneous(phi)
    assert found is not None
    return found


def direction(space: str) -> Float[np.ndarray, "b b"]:
    if space == "L":
        return centre(np.diag([1.0, -1.0] + [0.0] * (B - 2)))
    zero_sums = np.zeros((B, B))
    for i, j, value in ((0, 1, 1), (1, 2, -1), (2, 3, 1), (3, 0, -1)):
        zero_sums[i, j] = zero_sums[j, i] = value
    return zero_sums


@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_the_laplace_integrals_agree_with_sampling(name: str, options: dict[str, float], eps: float) -> None:
    phi, gram = activation(name, **options), input_gram(inputs())
    gradient = np.cov(np.random.default_rng(1).normal(size=(B, 30)))
    layer, sample = Layer(phi, eps), Sample.draw(B - 1, 12, seed=3)
    forward, error = sampled_forward(gram, layer, sample)
    assert np.max(np.abs(laplace_forward(gram, power(phi), eps) - forward)) < 5 * error
    backward, error = sampled_backward(gram, layer, gradient, sample)
    assert np.max(np.abs(laplace_backward(gram, power(phi), gradient, eps) - backward)) < 5 * error


@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_the_fixed_point_and_its_linearisation(name: str, options: dict[str, float], eps: float) -> None:
    phi = activation(name, **options)
    record = batchnorm_record(phi, B, eps=eps)
    star = record["q_star"] * ((1 - record["c_star"]) * np.eye(B) + record["c_star"])
    assert np.max(np.abs(laplace_forward(star, power(phi), eps) - star)) < 1e-11
    for space in "LM":
        step = 1e-4 * record["mu_star"] * direction(space)
        change = laplace_forward(star + step, power(phi), eps) - laplace_forward(star - step, power(phi), eps)
        assert np.allclose(centre(change), 2 * record["forward"][space] * step, atol=1e-6 * np.max(np.abs(step)))
        pulled = laplace_backward(star, power(phi), direction(space), eps)
        assert np.allclose(pulled, record["backward"][space] * direction(space), atol=1e-9)
    pulled = laplace_backward(star, power(phi), np.eye(B) - 1 / B, eps)
    assert np.allclose(pulled, record["backward"]["G"] * (np.eye(B) - 1 / B), atol=1e-9)


def test_without_eps_the_scale_of_the_input_drops_out() -> None:
    gram, phi = input_gram(inputs()), power(activation("relu"))
    assert np.allclose(laplace_forward(gram, phi), laplace_forward(37 * gram + 5, phi), atol=1e-12)


def test_permuting_the_batch_permutes_the_result() -> None:
    gram, phi, order = input_gram(inputs()), power(activation("relu")), np.random.default_rng(0).permutation(B)
    permuted = laplace_forward(gram[np.ix_(order, order)], phi)
    assert np.allclose(permuted, laplace_forward(gram, phi)[np.ix_(order, order)], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_any_input_reaches_bsb1_and_its_explosion_rate(name: str) -> None:
    layer = Layer(activation(name))
    record = batchnorm_record(layer.activation, B)
    transient = propagate(input_gram(inputs()), layer, 50, log2_points=11)
    tolerance = 1e-5 if name == "relu" else 10 * transient.error
    assert transient.spread[-1] == pytest.approx(record["mu_star"], abs=tolerance)
    assert abs(transient.spread[1] - record["mu_star"]) > tolerance  # there is a transient
    gradients = backpropagate(transient, layer, log2_points=11)
    traces = np.array([np.trace(gradient) for gradient in gradients])
    growth = (traces[40] / traces[45]) ** 0.2
    assert growth == pytest.approx(record["backward"]["G"], rel=1e-4 if name == "relu" else 0.03)


def test_convergence_to_bsb1_is_governed_by_the_largest_forward_eigenvalue() -> None:
    layer = Layer(activation("relu"))
    record = batchnorm_record(layer.activation, B)
    transient = propagate(input_gram(inputs()), layer, 40)
    distance = [np.linalg.norm(centre(gram) - record["mu_star"] * (np.eye(B) - 1 / B)) for gram in transient.grams]
    assert (distance[35] / distance[25]) ** 0.1 == pytest.approx(record["forward"]["L"], rel=2e-3)


def test_weight_gradients_at_the_fixed_point() -> None:
    record = batchnorm_record(activation("relu"), B)
    star = record["q_star"] * ((1 - record["c_star"]) * np.eye(B) + record["c_star"])
    gradient = centre(np.cov(np.random.default_rng(1).normal(size=(B, 30))))
    pulled = laplace_backward(star, power(activation("relu")), gradient)
    assert weight_gradient(pulled, star) == pytest.approx(record["mu_star"] * np.trace(pulled), rel=1e-10)


def test_what_cannot_be_propagated() -> None:
    phi = power(activation("relu"))
    with pytest.raises(InputError, match="variance is 0"):
        laplace_forward(np.ones((B, B)), phi)
    plane = inputs()[:, :2]
    with pytest.raises(InputError, match="three dimensions"):
        laplace_backward(plane @ plane.T, phi, np.eye(B))
