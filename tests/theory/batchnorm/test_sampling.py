"""Every quantity against direct sampling of its Gaussian expectation: no formula of theory/ but BN itself is used.

Forward eigenvalues come from the score function of the Gaussian, backward ones from the Jacobian of BN followed by φ
written out as a matrix, both projected on one member of each eigenspace. Agreement is asked within 4 standard errors.
B = 8, as squared gradients have no variance below B = 6.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.infinite_batch import infinite_batch
from phasemap.theory.batchnorm.record import batchnorm_record

at_bsb1 = partial(batchnorm_record, look_beyond=False)
B = 8
SAMPLES = 60_000
G = np.eye(B) - 1 / B
CASES = [
    ("relu", {}, 0.0),
    ("relu", {"shift": 0.5}, 0.3),
    ("relu", {"shift": -0.4}, 0.0),
    ("tanh", {"shift": 0.3}, 0.0),
    ("tanh", {"scale": 1.5}, 0.4),
    ("sin", {"scale": 2.0}, 0.0),
    ("alpha-relu", {"alpha": 2.0}, 0.0),
    ("leaky-relu", {"slope": 0.2}, 0.1),
    ("gelu", {}, 0.0),
    ("silu", {}, 1e-3),
    ("softplus", {}, 0.1),
    ("sigmoid", {}, 0.0),
    ("mish", {}, 0.0),
    ("elu", {"alpha": 0.6}, 0.0),
    ("selu", {}, 0.2),
]


def members() -> dict[str, Float[np.ndarray, "b b"]]:
    """One matrix of each eigenspace of the operators: R·G, L and M."""
    diagonal = np.zeros(B)
    diagonal[:2] = 1, -1
    zero_sums = np.zeros((B, B))
    for i, j, value in ((0, 1, 1), (1, 2, -1), (2, 3, 1), (3, 0, -1)):  # zero diagonal, zero row sums
        zero_sums[i, j] = zero_sums[j, i] = value
    return {"G": G, "L": G @ np.diag(diagonal) @ G, "M": zero_sums}


@cache
def samples(name: str, options: tuple[tuple[str, float], ...], eps: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record and per-sample values whose means are the quantities."""
    phi = activation(name, **dict(options))
    record = at_bsb1(phi, B, eps=eps)
    mu = record["mu_star"]
    rng = np.random.default_rng(1)
    y = np.sqrt(mu) * rng.normal(size=(SAMPLES, B)) @ G
    inverse = 1 / np.sqrt(np.mean(y * y, axis=1) + eps)
    z = y * inverse[:, None]
    f, slope = phi.phi(z), phi.derivative(z)
    values: dict[str, Any] = {"q_star": f[:, 0] ** 2, "product": f[:, 0] * f[:, 1], "mean": f[:, 0]}
    jacobian = slope[:, :, None] * (G - z[:, :, None] * z[:, None, :] / B) * inverse[:, None, None]
    values["jacobian"] = np.trace(jacobian, axis1=1, axis2=2) / (B - 1)
    for key, matrix in members().items():
        norm = np.sum(matrix**2)
        score = (np.einsum("ni,ij,nj->n", y, matrix, y) / mu**2 - np.trace(matrix) / mu) / 2
        values[f"forward.{key}"] = np.einsum("ni,ij,nj->n", f, matrix, f) * score / norm
        pulled = np.einsum("nai,ab->nib", jacobian, matrix) @ jacobian
        values[f"backward.{key}"] = np.sum(pulled * matrix, axis=(1, 2)) / norm
    return record, values


def agrees(expected: float, values: Float[np.ndarray, " n"]) -> bool:
    return bool(abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(len(values)) + 1e-12)


def case(name: str, options: dict[str, float], eps: float) -> tuple[dict[str, Any], dict[str, Any]]:
    return samples(name, tuple(options.items()), eps)


@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_fixed_point(name: str, options: dict[str, float], eps: float) -> None:
    record, values = case(name, options, eps)
    assert agrees(record["q_star"], values["q_star"])
    assert agrees(record["q_star"] * record["c_star"], values["product"])
    assert agrees(record["mu_star"], values["q_star"] - values["product"])


@pytest.mark.parametrize("space", ["G", "L", "M"])
@pytest.mark.parametrize("side", ["forward", "backward"])
@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_eigenvalues(name: str, options: dict[str, float], eps: float, side: str, space: str) -> None:
    record, values = case(name, options, eps)
    assert agrees(record[side][space], values[f"{side}.{space}"])


@pytest.mark.parametrize(("name", "options", "eps"), CASES)
def test_cross_batch(name: str, options: dict[str, float], eps: float) -> None:
    record, values = case(name, options, eps)
    half = SAMPLES // 2  # products of means of independent batches
    assert agrees(record["cross_batch"]["c_star"], values["mean"][:half] * values["mean"][half:])
    assert agrees(record["cross_batch"]["rate"], values["jacobian"][:half] * values["jacobian"][half:])


@pytest.mark.parametrize("eps", [0.0, 0.2])
@pytest.mark.parametrize(
    ("name", "options"), [("tanh", {"shift": 0.5}), ("relu", {"shift": 0.5}), ("gelu", {}), ("softplus", {})]
)
def test_the_limit_of_infinite_batches(name: str, options: dict[str, float], eps: float) -> None:
    phi = activation(name, **options)
    limit = infinite_batch(phi, eps=eps)
    g = np.random.default_rng(2).normal(size=400_000)
    z = g * np.sqrt(limit.mu_star / (limit.mu_star + eps))
    f, slope = phi.phi(z), phi.derivative(z)
    assert agrees(limit.q_star, f**2)
    assert agrees(np.sqrt(limit.cross_batch), f)
    assert agrees(limit.backward.G * (limit.mu_star + eps), slope**2)
    assert agrees(np.sqrt(limit.rate * (limit.mu_star + eps)), slope)
    centred = f - np.sqrt(limit.cross_batch)
    assert agrees(limit.forward.L * 2 * limit.mu_star, centred**2 * (g * g - 1))
