"""The tangent kernel from a stack of copies against one network's gradients, logit by logit."""

from __future__ import annotations

import pytest
import torch

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_mlp import BNMLPCell, BNMLPStack
from phasemap.models.residual import ResidualCell, ResidualStack
from phasemap.models.sampling.tangent_kernel import tangent_kernel
from phasemap.models.stack import Stack
from phasemap.theory.residual.widths import Widths


def _batch_norm(count: int, *, train_bn: bool = True) -> Stack:
    sizes = {"inputs": 5, "width": 7, "classes": 3, "train_bn": train_bn}
    return BNMLPStack([BNMLPCell(2, 4)] * count, activation=torch_activation("tanh"), dtype=torch.float64, **sizes)


def _residual(count: int) -> Stack:
    widths = Widths((7, 7, 4), (7, 4))  # with a projection
    sizes = {"inputs": 5, "widths": widths, "classes": 3}
    return ResidualStack(
        [ResidualCell(2, 4)] * count, activation=torch_activation("relu"), dtype=torch.float64, **sizes
    )


@pytest.mark.parametrize("build", [_batch_norm, _residual, lambda count: _batch_norm(count, train_bn=False)])
def test_it_is_the_product_of_gradients(build) -> None:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits, kernel = tangent_kernel(build, x)
    one = build(1)
    trained = [p for p in one.parameters() if p.requires_grad]
    found = one(x[None], statistics_batch_size=4)[0]
    rows = [torch.autograd.grad(f, trained, retain_graph=True) for f in found.flatten()]
    jacobian = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    torch.testing.assert_close(torch.from_numpy(logits), found.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.from_numpy(kernel).reshape(12, 12), jacobian @ jacobian.T, rtol=1e-10, atol=1e-12)
