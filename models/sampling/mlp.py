"""Random plain networks of finite width at initialisation: two inputs forward, one gradient back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from phasemap.theory.activations import Activation

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MLPSample:
    """Measured in K networks, arrays [K, layers] over l = 1, …, L.

    Attributes:
        q: mean square of the first input's pre-activations z. covariance: mean product of both inputs' z.
        gradient: mean squared gradient by z of layer l over that of layer l + 1, for l < L: [K, L − 1].
    """

    q: Float[np.ndarray, "K layers"]
    covariance: Float[np.ndarray, "K layers"]
    gradient: Float[np.ndarray, "K fewer"]


def sample_mlps(
    phi: Activation,
    *,
    networks: int,
    width: int,
    layers: int,
    sigma_w: float,
    sigma_b: float,
    keep: float = 1.0,
    eps: float | None = None,
    c0: float = 0.5,
    seed: int = 0,
) -> MLPSample:
    """Samples networks with real matrices, on two inputs of mean square 1 and correlation ``c0`` exactly.

    An input has as many numbers as a layer has units.

    Args:
        keep: probability that a unit stays, drawn for each input by itself. eps: ε of layer normalisation; None
            without.
    """
    random = np.random.default_rng([seed, width])
    x = _inputs(random, networks, width, c0)
    weights, jacobians, q, covariance = [], [], [], []
    for _ in range(layers):
        w = random.normal(scale=sigma_w / np.sqrt(width), size=(networks, width, width))
        z = w @ x + random.normal(scale=sigma_b, size=(networks, width, 1))
        q.append(np.mean(z[:, :, 0] ** 2, axis=1))
        covariance.append(np.mean(z[:, :, 0] * z[:, :, 1], axis=1))
        h, deviation = _normalised(z, eps)
        mask = (random.random(z.shape) < keep) / keep
        x = mask * phi.phi(h)
        weights.append(w)
        jacobians.append((mask[:, :, 0] * phi.derivative(h[:, :, 0]), h[:, :, 0], deviation[:, :, 0]))
    gradient = _gradient_ratios(random.normal(size=(networks, width)), weights, jacobians, eps)
    return MLPSample(np.stack(q, 1), np.stack(covariance, 1), gradient)


def _inputs(random: np.random.Generator, networks: int, width: int, c0: float) -> Float[np.ndarray, "K N 2"]:
    basis = np.linalg.qr(random.normal(size=(networks, width, 2)))[0]
    mix = np.array([[1.0, c0], [0.0, np.sqrt((1 - c0) * (1 + c0))]])
    return np.sqrt(width) * basis @ mix


def _normalised(z: Float[np.ndarray, "K N 2"], eps: float | None) -> tuple[Array, Array]:
    """What φ sees, and the standard deviations [K, 1, 2] that z is divided by."""
    if eps is None:
        return z, np.ones((len(z), 1, 2))
    deviation = np.sqrt(z.var(axis=1, keepdims=True) + eps)
    return (z - z.mean(axis=1, keepdims=True)) / deviation, deviation


def _gradient_ratios(
    gradient: Float[np.ndarray, "K N"],
    weights: list[Array],
    jacobians: list[tuple[Array, Array, Array]],
    eps: float | None,
) -> Float[np.ndarray, "K fewer"]:
    """Backpropagation from a random gradient by the last layer's z."""
    ratios = []
    for w, (slope, h, deviation) in zip(weights[:0:-1], jacobians[-2::-1], strict=True):
        below = slope * (w.mT @ gradient[:, :, None])[:, :, 0]
        if eps is not None:
            below = below - below.mean(axis=1, keepdims=True) - h * np.mean(below * h, axis=1, keepdims=True)
            below = below / deviation
        ratios.append(np.mean(below**2, axis=1) / np.mean(gradient**2, axis=1))
        gradient = below
    return np.stack(ratios[::-1], 1)
