"""The tangent kernel of residual networks against real ones of finite width, and against the rest of the theory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from phasemap.models.activations import torch_activation
from phasemap.models.residual import ResidualCell, ResidualStack
from phasemap.models.sampling.tangent_kernel import tangent_kernel
from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.learning_rate.residual_kernel import residual_kernel
from phasemap.theory.residual.quantities import log_gradient_sum
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.widths import Widths

P0, GAMMA0 = 1.3, 0.5
SETTING: dict[str, Any] = {"beta_w": 0.4, "beta_v": 0.2, "sigma_b": 0.7, "sigma_a": 0.5}


def _pair(inputs: int) -> torch.Tensor:
    """Two inputs with exactly these products."""
    root = np.linalg.cholesky(np.array([[P0, GAMMA0], [GAMMA0, P0]]) * inputs)
    return torch.from_numpy(np.pad(root, ((0, 0), (0, inputs - 2))))


def _measured(name: str, depth: int, width: int, networks: int) -> np.ndarray:
    """Θ of one output for two inputs, [networks, 2, 2]."""
    x = _pair(8)

    def build(cell: ResidualCell, count: int) -> ResidualStack:
        widths = Widths((width,) * (depth + 1), (width,) * depth)
        sizes: dict[str, Any] = {"inputs": 8, "widths": widths, "classes": 1}
        return ResidualStack([cell] * count, activation=torch_activation(name), dtype=torch.float64, **sizes)

    cells = [ResidualCell(depth, seed, **SETTING) for seed in range(networks)]
    return np.stack([tangent_kernel(lambda n, cell=cell: build(cell, n), x)[1][:, 0, :, 0] for cell in cells])


def _predicted(name: str, depth: int, width: int) -> np.ndarray:
    phi = activation(name)
    trace = residual_recurrence(phi, depth, p0=P0, gamma0=GAMMA0, **SETTING)
    kernel = residual_kernel(trace, phi, width=width, inputs=8)
    return np.array([kernel.own.sum(), kernel.pair.sum()])


def _own_and_pair(measured: np.ndarray) -> np.ndarray:
    return np.stack([(measured[:, 0, 0] + measured[:, 1, 1]) / 2, measured[:, 0, 1]], axis=1)


def test_linear_networks_have_it_at_any_width() -> None:
    """Signal below and gradient above a layer are independent there, so that the mean is exact."""
    found = _own_and_pair(_measured("identity", 4, 12, 120))
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - _predicted("identity", 4, 12)) < 4 * error)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_wide_networks_tend_to_it(name: str) -> None:
    """Θ/N, by a straight line in 1/N."""
    widths, points, errors = np.array([48, 96, 192]), [], []
    for width in widths:
        ratio = _own_and_pair(_measured(name, 4, int(width), 80)) / _predicted(name, 4, int(width))
        points.append(ratio.mean(axis=0))
        errors.append(ratio.std(axis=0, ddof=1) / np.sqrt(len(ratio)))
    design = np.stack([np.ones(3), 1 / widths], axis=1)
    for which in range(2):
        weight = 1 / np.array(errors)[:, which] ** 2
        covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
        limit = (covariance @ design.T @ (weight * np.array(points)[:, which]))[0]
        assert abs(limit - 1) < 4 * np.sqrt(covariance[0, 0])


def test_the_blocks_are_the_sum_of_gradients_that_rankings_use() -> None:
    trace = residual_recurrence(activation("relu"), 12, p0=P0, gamma0=GAMMA0, **SETTING)
    width = 10**9  # biases do not count
    kernel = residual_kernel(trace, activation("relu"), width=width, inputs=8)
    assert np.log(kernel.own[1:-1].sum() / width) == pytest.approx(log_gradient_sum(trace)[-1], rel=1e-8)


def test_equal_inputs_have_one_kernel() -> None:
    trace = residual_recurrence(activation("tanh"), 9, p0=P0, gamma0=P0, **SETTING)
    kernel = residual_kernel(trace, activation("tanh"), width=32, inputs=8)
    np.testing.assert_allclose(kernel.pair, kernel.own, rtol=1e-12)


def test_what_has_no_kernel() -> None:
    phi = activation("relu")
    narrowing = residual_recurrence(phi, 2, widths="8,4,4")
    with pytest.raises(InputError, match="one constant width"):
        residual_kernel(narrowing, phi, width=8, inputs=8)
    with pytest.raises(InputError, match="grid"):
        residual_kernel(residual_recurrence(phi, 2, beta_w=np.zeros(2)), phi, width=8, inputs=8)
    for depth in (30, 60):  # at 30 blocks p is still a float, the kernel is not
        with pytest.raises(InputError, match="exceeds every float"):
            residual_kernel(residual_recurrence(phi, depth, sigma_v=2.5e5), phi, width=8, inputs=8)
    with pytest.raises(InputError, match="inputs 0"):
        residual_kernel(residual_recurrence(phi, 2), phi, width=8, inputs=0)
