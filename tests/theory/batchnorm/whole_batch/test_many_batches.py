"""Several mini-batches at once: closed forms, sampling, the fixed point and its neighbourhood, the transient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float

from phasemap.theory.activations import Activation, activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.whole_batch import covariance
from phasemap.theory.batchnorm.whole_batch.batches_layer import (
    centre_blocks,
    closed_backward,
    closed_forward,
    sampled_backward,
    sampled_forward,
)
from phasemap.theory.batchnorm.whole_batch.covariance import Layer, Sample, centre, input_gram
from phasemap.theory.batchnorm.whole_batch.many_batches import (
    Transient,
    backpropagate,
    next_gram,
    propagate,
    symmetric_fixed_point,
)
from phasemap.theory.batchnorm.whole_batch.pair_of_batches import cross_backward, cross_forward
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import Homogeneous, homogeneous

B = 6
CASES = [
    ("relu", {}, 0.0),
    ("leaky-relu", {"slope": 0.3}, 0.2),
    ("alpha-relu", {"alpha": 1.5}, 0.0),
    ("alpha-relu", {"alpha": 2.0}, 0.1),
    ("identity", {}, 0.0),
]


def inputs(batches: int = 2, features: int = 20, seed: int = 0) -> Float[np.ndarray, "rows features"]:
    """Batches of unequal samples that share half of their samples with the first batch."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(B, features)) * np.linspace(0.5, 2, B)[:, None] + 0.3
    rows = [first]
    for _ in range(batches - 1):
        rows.append(np.where(np.arange(B)[:, None] < B // 2, first, rng.normal(size=(B, features))))
    return np.vstack(rows)


def power(phi: Activation) -> Homogeneous:
    found = homogeneous(phi)
    assert found is not None
    return found


def fixed_point(phi: Activation, size: int, batches: int, eps: float = 0.0) -> Float[np.ndarray, "rows rows"]:
    record = batchnorm_record(phi, size, eps=eps)
    star = record["q_star"] * ((1 - record["c_star"]) * np.eye(size) + record["c_star"])
    return symmetric_fixed_point(star, record["cross_batch"]["c_star"], batches)


@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_the_laplace_integrals_agree_with_sampling(name: str, options: dict[str, float], eps: float) -> None:
    phi, gram = activation(name, **options), input_gram(inputs())
    gradient = np.cov(np.random.default_rng(1).normal(size=(2 * B, 50)))
    layer, sample = Layer(phi, eps), Sample.draw(2 * (B - 1), 12, seed=3)
    forward, error = sampled_forward(gram, 2, layer, sample)
    assert np.max(np.abs(closed_forward(gram, 2, power(phi), eps) - forward)) < 5 * error
    backward, error = sampled_backward(gram, 2, layer, gradient, sample)
    assert np.max(np.abs(closed_backward(gram, 2, power(phi), gradient, eps) - backward)) < 5 * error


@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_a_batch_and_its_copy_are_one_batch(name: str, options: dict[str, float], eps: float) -> None:
    """The double integral at perfect correlation equals the single integral within a batch."""
    phi, one = power(activation(name, **options)), input_gram(inputs(1))
    assert np.allclose(cross_forward(one, one, one, phi, eps), covariance.laplace_forward(one, phi, eps), atol=1e-12)
    if name in ("identity", "alpha-relu"):  # J″ is infinite at correlation 1 for a kink: rounding is amplified
        gradient = np.cov(np.random.default_rng(1).normal(size=(B, 30)))
        backward = cross_backward(one, one, one, phi, gradient, eps)
        assert np.allclose(backward, covariance.laplace_backward(one, phi, gradient, eps), atol=1e-10)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_batches_on_a_line_or_in_a_plane(rank: int) -> None:
    """Few dimensions: the integrand's tails are longest."""
    phi, one = power(activation("relu")), input_gram(inputs(1, features=rank))
    assert np.allclose(cross_forward(one, one, one, phi), covariance.laplace_forward(one, phi), atol=1e-12)


@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_the_backward_operator_is_the_adjoint_of_the_derivative(
    name: str, options: dict[str, float], eps: float
) -> None:
    phi, rng = power(activation(name, **options)), np.random.default_rng(2)
    gram = input_gram(inputs()) + 0.2 * np.eye(2 * B)  # of full rank, so that a small step leaves it positive
    one, across, two = gram[:B, :B], gram[:B, B:], gram[B:, B:]
    gradient, step = rng.normal(size=(B, B)), 1e-4 * centre(rng.normal(size=(B, B)))
    change = cross_forward(one, across + step, two, phi, eps) - cross_forward(one, across - step, two, phi, eps)
    backward = cross_backward(one, across, two, phi, gradient, eps)
    assert np.sum(gradient * change) / 2 == pytest.approx(np.sum(backward * step), rel=1e-5)


@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_the_fixed_point_and_the_cross_batch_rate(name: str, options: dict[str, float], eps: float) -> None:
    phi, rng = activation(name, **options), np.random.default_rng(4)
    star, rate = fixed_point(phi, B, 3, eps), batchnorm_record(phi, B, eps=eps)["cross_batch"]["rate"]
    forward = closed_forward(star, 3, power(phi), eps)
    assert np.max(np.abs(forward - star)) < 1e-10
    block = centre(rng.normal(size=(B, B)))
    step = np.zeros((3 * B, 3 * B))
    step[:B, B : 2 * B], step[B : 2 * B, :B] = block, block.T
    small = 1e-5 * step
    change = closed_forward(star + small, 3, power(phi), eps) - closed_forward(star - small, 3, power(phi), eps)
    assert np.allclose(centre_blocks(change, 3), 2 * rate * small, atol=1e-6 * np.max(np.abs(small)))
    assert np.allclose(closed_backward(star, 3, power(phi), step, eps), rate * step, atol=1e-10)


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_the_fixed_point_of_an_activation_without_closed_forms(eps: float) -> None:
    phi = activation("tanh", shift=0.4)
    layer, sample = Layer(phi, eps), Sample.draw(2 * (B - 1), 12, seed=5)
    star, rate = fixed_point(phi, B, 2, eps), batchnorm_record(phi, B, eps=eps)["cross_batch"]["rate"]
    forward, error = sampled_forward(star, 2, layer, sample)
    assert np.max(np.abs(forward - star)) < 5 * error
    gradient = np.kron([[0.0, 1.0], [1.0, 0.0]], np.eye(B))
    backward, error = sampled_backward(star, 2, layer, gradient, sample)
    assert np.max(np.abs(backward - rate * centre_blocks(gradient, 2))) < 5 * error


def test_diagonal_blocks_do_not_see_the_other_batches() -> None:
    gram = input_gram(inputs(3))
    layer = Layer(activation("relu"), sigma_w=1.3, sigma_b=0.2)
    whole, _ = next_gram(gram, 3, layer)
    for i in range(3):
        rows = slice(i * B, (i + 1) * B)
        assert np.allclose(whole[rows, rows], covariance.next_gram(gram[rows, rows], layer)[0], atol=1e-13)
    assert np.linalg.eigvalsh(whole)[0] > 0


@settings(max_examples=10)
@given(st.permutations(range(B)), st.permutations(range(B)), st.booleans())
def test_permuting_samples_or_batches_permutes_the_result(first: list[int], second: list[int], swap: bool) -> None:
    gram, phi = input_gram(inputs()), power(activation("identity"))
    order = np.concatenate([np.array(first), B + np.array(second)])
    order = np.roll(order, B) if swap else order
    permuted = closed_forward(gram[np.ix_(order, order)], 2, phi)
    assert np.allclose(permuted, closed_forward(gram, 2, phi)[np.ix_(order, order)], atol=1e-12)


@settings(max_examples=10)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_without_eps_the_scale_of_each_batch_drops_out(first: float, second: float) -> None:
    gram, phi = input_gram(inputs()), power(activation("relu"))
    scale = np.repeat([first, second], B)
    assert np.allclose(closed_forward(gram * np.outer(scale, scale), 2, phi), closed_forward(gram, 2, phi), atol=1e-11)


@pytest.mark.slow
def test_batches_decorrelate_at_the_cross_batch_rate_and_so_do_gradients() -> None:
    """Up to what is of the next order in the distance from the fixed point, which is that of the correlation."""
    layer = Layer(activation("relu"))
    rate = batchnorm_record(layer.activation, B)["cross_batch"]["rate"]
    transient = propagate(input_gram(inputs()), layer, 24, batches=2)
    correlation = transient.correlation()
    assert correlation.max() > 0.2
    across = [np.trace(centre(block)) for block in transient.block(0, 1)]
    gradients = [np.trace(gradient[:B, B:]) for gradient in backpropagate(transient, layer)]
    assert across[17] / across[16] == pytest.approx(rate, rel=2 * correlation[16])
    assert gradients[16] / gradients[17] == pytest.approx(rate, rel=2 * correlation[16])


def test_skip_connections_add_the_layer_below() -> None:
    gram = input_gram(inputs())
    layer = Layer(activation("relu"), skip=True)
    transient = propagate(gram, layer, 2, batches=2)
    assert np.allclose(transient.grams[1], gram + next_gram(gram, 2, layer)[0], atol=1e-13)
    top = np.eye(2 * B)
    below = backpropagate(transient, layer, top)[0]
    assert np.allclose(below, top + closed_backward(gram, 2, power(layer.activation), top), atol=1e-13)


def test_blocks_and_the_correlation() -> None:
    gram = input_gram(inputs(3))
    transient = Transient((gram, gram), 3)
    assert np.array_equal(transient.block(0, 2)[1], gram[:B, 2 * B :])
    assert np.allclose(transient.correlation(1, 1), 1.0)


def test_what_cannot_be_propagated() -> None:
    gram = input_gram(inputs())
    with pytest.raises(InputError, match=r"batches 5: expected equal mini-batches of at least 3 samples from 12 rows"):
        propagate(gram, Layer(activation("relu")), 2, batches=5)
    with pytest.raises(InputError, match="tanh is not positive-homogeneous: a sample is needed"):
        next_gram(gram, 2, Layer(activation("tanh")))
    equal = gram.copy()
    equal[B:], equal[:, B:] = equal[B], equal[:, B : B + 1]
    with pytest.raises(InputError, match="variance is 0"):
        closed_forward(equal, 2, power(activation("relu")))
    with pytest.raises(InputError, match="variance is 0"):
        cross_forward(equal[:B, :B], equal[:B, B:], equal[B:, B:], power(activation("relu")))
    with pytest.raises(InputError, match="variance is 0"):
        sampled_forward(equal, 2, Layer(activation("tanh")), Sample.draw(2 * (B - 1), 4))
