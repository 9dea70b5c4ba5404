"""Batch normalisation and activation of a whole stack in one autograd function.

Fused because a stack of small networks is bound by the number of passes over memory and of autograd nodes, not by
arithmetic: forward and backward each touch the activations a handful of times, and nothing but the normalised
pre-activation (and what φ′ needs) is kept.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.activations import TorchActivation


class _BatchNormActivation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, gamma: Tensor, beta: Tensor, eps: Tensor, groups: int, activation: TorchActivation
    ) -> tuple[Tensor, Tensor, Tensor]:
        members, batch, width = h.shape
        size = batch // groups
        grouped = h.view(members, groups, size, width)
        mean = grouped.sum(2).mul_(1 / size)  # Tensor.mean is twice as slow on a CPU
        normal = grouped - mean.unsqueeze(2)
        variance = (normal * normal).sum(2).mul_(1 / size)
        inverse = torch.rsqrt(variance + eps.view(-1, 1, 1))
        normal *= inverse.unsqueeze(2)
        z = torch.addcmul(beta.view(members, 1, 1, width), normal, gamma.view(members, 1, 1, width))
        out = activation.phi(z)
        ctx.save_for_backward(normal, inverse, gamma, out, z if activation.needs_input else None)
        ctx.activation = activation
        ctx.mark_non_differentiable(mean, variance)
        return out.view(members, batch, width), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        normal, inverse, gamma, out, z = ctx.saved_tensors
        members, groups, size, width = normal.shape
        d_z = ctx.activation.backward(gradients[0].view_as(normal), z, out)
        sum_d = d_z.sum(2)
        sum_dn = (d_z * normal).sum(2)
        # dL/dh = (gamma/sigma) (d_z - mean(d_z) - normal mean(d_z normal)): the derivative goes through both statistics
        d_h = torch.addcmul(d_z, normal, sum_dn.unsqueeze(2), value=-1 / size)
        d_h.add_(sum_d.unsqueeze(2), alpha=-1 / size)
        d_h *= (inverse * gamma.view(members, 1, width)).unsqueeze(2)
        d_gamma = sum_dn.sum(1) if ctx.needs_input_grad[1] else None
        d_beta = sum_d.sum(1) if ctx.needs_input_grad[2] else None
        return d_h.view(members, groups * size, width), d_gamma, d_beta, None, None, None


def batchnorm_activation(
    h: Float[Tensor, "K B N"],
    gamma: Float[Tensor, "K N"],
    beta: Float[Tensor, "K N"],
    eps: Float[Tensor, " K"],
    *,
    groups: int,
    activation: TorchActivation,
) -> tuple[Float[Tensor, "K B N"], Float[Tensor, "K G N"], Float[Tensor, "K G N"]]:
    """φ(γ·(h − mean)/sqrt(var + ε) + β) for every member, with the statistics of ``groups`` equal parts of the batch.

    The variance is the biased one and ε stands inside the root (eq. 7 of Yang et al. 2019, as corrected in
    docs/errata.md).

    Returns:
        The activations, and each group's mean and biased variance (not differentiable; for running statistics).
    """
    return _BatchNormActivation.apply(h, gamma, beta, eps, groups, activation)  # type: ignore[no-any-return]
