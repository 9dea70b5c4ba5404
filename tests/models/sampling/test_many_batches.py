"""The theory of several mini-batches at any input against sampled networks that see them together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, Sample, centring, sample_networks
from phasemap.models.sampling.rates import extrapolate, mean_of
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.whole_batch import covariance
from phasemap.theory.batchnorm.whole_batch.batches_layer import (
    centre_blocks,
    closed_backward,
    sampled_backward,
)
from phasemap.theory.batchnorm.whole_batch.covariance import Layer, input_gram
from phasemap.theory.batchnorm.whole_batch.many_batches import (
    Transient,
    backpropagate,
    next_gram,
    propagate,
)
from phasemap.theory.homogeneous import homogeneous

Array = NDArray[np.float64]
B, BATCHES = 6, 3
ROWS = B * BATCHES
CASES = [("relu", 1.0, 0.0, 0.0), ("leaky-relu", 1.0, 0.0, 0.2), ("tanh", 1.3, 0.4, 0.1)]


def inputs() -> Float[np.ndarray, "rows features"]:
    """Three batches; the second shares half of its samples with the first."""
    rows = np.random.default_rng(0).normal(size=(ROWS, 30)) + 0.2
    rows[B : B + B // 2] = rows[: B // 2]
    return rows


def root() -> Float[np.ndarray, "rows rows"]:
    """Of the covariance of the top gradient: half of it is shared by sample i of every batch."""
    shared = np.kron(np.full((BATCHES, BATCHES), 1 / BATCHES), centring(B))
    return shared + 0.5 * np.kron(np.eye(BATCHES), centring(B))


def samples(
    name: str, gamma: float, beta: float, eps: float, sigma_w: float, width: int, depth: int, networks: int
) -> Sample:
    law = NetworkLaw(torch_activation(name), width, depth, gamma=gamma, beta=beta, eps=eps, sigma_w=sigma_w)
    start = torch.from_numpy(inputs())
    return sample_networks(law, start, networks=networks, seed=width, groups=BATCHES, top=root())


def gradients(sample: Sample) -> Float[np.ndarray, "networks depth rows rows"]:
    """δ·δᵀ of each layer, with its size."""
    return np.asarray(sample.backward * np.exp(sample.log_gradient)[:, :, None, None])


def pull(layer: Layer, gram: Array, gradient: Array, points: covariance.Sample) -> tuple[Array, float]:
    """The gradient's covariance below BN and φ, from that above."""
    phi = homogeneous(layer.activation)
    if phi is None:
        return sampled_backward(gram, BATCHES, layer, gradient, points)
    return closed_backward(gram, BATCHES, phi, gradient, layer.eps), 0.0


@pytest.mark.parametrize(("name", "gamma", "beta", "eps"), CASES)
def test_one_layer_at_any_width(name: str, gamma: float, beta: float, eps: float) -> None:
    """The units of the first layer are independent: the mean over networks is the theory's at width 8 already."""
    layer = Layer(activation(name, scale=gamma, shift=beta), eps)
    points = covariance.Sample.draw(ROWS - BATCHES, 12, seed=1)
    closed = homogeneous(layer.activation) is not None
    width, networks = 8, 4000
    sample = samples(name, gamma, beta, eps, 1.0, width, 1, networks)
    gram = input_gram(inputs())
    forward = next_gram(gram, BATCHES, layer, None if closed else points)
    backward = pull(layer, gram, root() @ root().T, points)
    for measured, (expected, own) in ((sample.forward[:, 1], forward), (gradients(sample)[:, 0] / width, backward)):
        error = np.hypot(measured.std(axis=0) / np.sqrt(networks), own)
        assert np.all(np.abs(measured.mean(axis=0) - expected) < 5 * error)


def summary(forward: Float[np.ndarray, "rows rows"], backward: Float[np.ndarray, "rows rows"]) -> Array:
    """Traces of the centred blocks (1, 1), (1, 2) and (1, 3) of Σ̃, and of Π̃."""
    numbers = []
    for matrix in (centre_blocks(forward, BATCHES), backward):
        numbers += [np.trace(matrix[:B, other * B : (other + 1) * B]) for other in range(BATCHES)]
    return np.array(numbers)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gamma", "beta", "eps"), CASES)
def test_deep_networks(name: str, gamma: float, beta: float, eps: float) -> None:
    """Four layers up and down, extrapolated to infinite width."""
    depth, sigma_w, widths = 4, 1.2, (128, 256, 512)
    layer = Layer(activation(name, scale=gamma, shift=beta), eps, sigma_w)
    first = propagate(input_gram(inputs()), layer, depth, batches=BATCHES)
    points = covariance.Sample.draw(ROWS - BATCHES, 13, seed=2)
    top, own = pull(layer, first.grams[-1], root() @ root().T, points)
    below = backpropagate(Transient(first.grams, BATCHES), layer, top)[0]
    closed = homogeneous(layer.activation) is not None
    last = next_gram(first.grams[-1], BATCHES, Layer(layer.activation, eps), None if closed else points)[0]
    expected = summary(last, below)
    error = np.repeat([first.error, own], BATCHES) * B * depth  # of traces of B entries, through the layers above
    measured = []
    for width in widths:
        sample = samples(name, gamma, beta, eps, sigma_w, width, depth, 300 * 512 // width)
        down = gradients(sample)[:, 0] / width
        measured.append([summary(up, back) for up, back in zip(sample.forward[:, -1], down, strict=True)])
    for i, value in enumerate(expected):
        limit = extrapolate(widths, [mean_of(np.array(numbers)[:, i]) for numbers in measured])
        assert abs(limit.value - value) < 4 * limit.error + error[i], (i, limit, value)
