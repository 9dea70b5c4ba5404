"""The fused BN layer against torch's own BatchNorm1d and against numerical differentiation."""

import pytest
import torch
from torch import nn

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_layer import batchnorm_activation
from phasemap.theory.activations import BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("groups", [1, 2])
def test_gradient_is_that_of_finite_differences(name: str, groups: int) -> None:
    generator = torch.Generator().manual_seed(3)
    h = torch.randn(2, 8, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    gamma = torch.rand(2, 3, generator=generator, dtype=torch.float64).add_(0.5).requires_grad_()
    beta = torch.randn(2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    eps = torch.tensor([1e-3, 0.5], dtype=torch.float64)
    phi = torch_activation(name, alpha=2.5, slope=0.3)
    assert torch.autograd.gradcheck(
        lambda *x: batchnorm_activation(*x, eps, groups=groups, activation=phi)[0], (h, gamma, beta)
    )


def test_equals_torch_batchnorm_with_its_statistics() -> None:
    h = torch.randn(3, 16, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gamma, beta = torch.full((3, 5), 1.3, dtype=torch.float64), torch.full((3, 5), -0.2, dtype=torch.float64)
    out, mean, variance = batchnorm_activation(
        h, gamma, beta, torch.full((3,), 1e-3, dtype=torch.float64), groups=2, activation=torch_activation("tanh")
    )
    for member in range(3):
        for part in range(2):
            reference = nn.BatchNorm1d(5, eps=1e-3, momentum=1.0, dtype=torch.float64)
            nn.init.constant_(reference.weight, 1.3)
            nn.init.constant_(reference.bias, -0.2)
            rows = slice(8 * part, 8 * part + 8)
            torch.testing.assert_close(out[member, rows], reference(h[member, rows]).tanh(), rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(mean[member, part, 0], reference.running_mean, rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(variance[member, part, 0] * 8 / 7, reference.running_var, rtol=1e-12, atol=1e-13)


def test_frozen_gamma_and_beta_get_no_gradient() -> None:
    h = torch.randn(1, 4, 2, requires_grad=True)
    ones = torch.ones(1, 2)
    out, _, _ = batchnorm_activation(h, ones, ones, torch.tensor([0.1]), groups=1, activation=torch_activation("relu"))
    out.sum().backward()
    assert h.grad is not None
    assert ones.grad is None
