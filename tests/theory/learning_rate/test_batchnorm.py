"""The tangent kernel of BN networks at the fixed point, against networks of finite width."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_mlp import BNMLPCell, BNMLPStack
from phasemap.models.sampling.batchnorm import bsb1_inputs
from phasemap.models.sampling.tangent_kernel import tangent_kernel
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError
from phasemap.theory.learning_rate.batchnorm import curvature_limit, mean_kernel

BATCH, WIDTH = 12, 256


def _measured(name: str, depth: int, networks: int) -> np.ndarray:
    """uᵀΘu over centred directions u, for each of some networks, from inputs with the spread of a hidden layer."""
    spread = batchnorm_record(activation(name), BATCH)["mu_star"]
    x = spread**0.5 * bsb1_inputs(BATCH, WIDTH)

    def build(seed: int, count: int) -> BNMLPStack:
        cells = [BNMLPCell(depth, seed, eps=0.0)] * count
        sizes: dict[str, Any] = {"inputs": WIDTH, "width": WIDTH, "classes": 1, "train_bn": False}
        return BNMLPStack(cells, activation=torch_activation(name), dtype=torch.float64, **sizes)

    found = []
    for seed in range(networks):
        kernel = tangent_kernel(lambda count, seed=seed: build(seed, count), x)[1][:, 0, :, 0]
        found.append((np.trace(kernel) - kernel.sum() / BATCH) / (BATCH - 1))
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_networks_have_it(name: str) -> None:
    """Finite width adds O(L/N), 3/256, to the standard error of 24 networks."""
    found = _measured(name, 3, 24)
    predicted = mean_kernel(activation(name), BATCH, 3, WIDTH)
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - predicted) < 4 * error + 3 / WIDTH * predicted


def test_it_grows_by_the_explosion_rate() -> None:
    phi, rate = activation("tanh"), depth_scale(activation("tanh"), 32).rate
    kernels = [mean_kernel(phi, 32, depth, 100) for depth in (40, 41, 42)]
    assert (kernels[2] - kernels[1]) / (kernels[1] - kernels[0]) == pytest.approx(rate, rel=1e-9)
    assert curvature_limit(phi, 32, 40, 100, classes=5) == pytest.approx(2 * 32 * 5 / kernels[0])
    assert curvature_limit(activation("relu"), 32, 5000, 100) == 0.0  # below every float


def test_what_has_no_kernel() -> None:
    with pytest.raises(InputError, match="depth 0"):
        mean_kernel(activation("relu"), 32, 0, 100)
    with pytest.raises(InputError, match="become equal"):
        mean_kernel(activation("tanh"), 32, 3, 100, eps=2.0)
