"""Linear map, batch normalisation and activation of a whole stack in one autograd function.

Fused because a stack of small networks is bound by the number of passes over memory and of autograd nodes, not by
arithmetic: forward and backward each touch the activations a handful of times, in place wherever the numbers are not
needed again, and nothing but the normalised pre-activation (and what φ′ needs) is kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from phasemap.models.activations import TorchActivation


@lru_cache
def _share(size: int, dtype: torch.dtype) -> Tensor:
    """1/size as a tensor: a Python number would be made one, of another dtype, in each product."""
    return torch.tensor(1 / size, dtype=dtype, device="cpu")


def _normalise(
    h: Tensor, gamma: Tensor, beta: Tensor, eps: Tensor, groups: int, activation: TorchActivation, *, own: bool
) -> tuple[tuple[Tensor, ...], Tensor, Tensor, Tensor]:
    """What the backward pass needs, the activations, mean and variance. With ``own``, ``h`` is overwritten."""
    members, batch, width = h.shape
    grouped = h.view(members, groups, batch // groups, width)
    share = _share(batch // groups, h.dtype)
    mean = grouped.sum(2, keepdim=True).mul_(share)  # Tensor.mean is twice as slow on a CPU
    normal = grouped.sub_(mean) if own else grouped - mean
    variance = (normal * normal).sum(2, keepdim=True).mul_(share)
    inverse = (variance + eps.view(members, 1, 1, 1)).rsqrt_()
    normal *= inverse
    gamma = gamma.view(members, 1, 1, width)
    z = torch.addcmul(beta.view(members, 1, 1, width), normal, gamma)
    out = activation.of_own(z)
    kept = (normal, inverse, gamma, out, z) if activation.needs_input else (normal, inverse, gamma, out)
    return kept, out.view(members, batch, width), mean, variance


def _differentiate(gradient: Tensor, kept: tuple[Tensor, ...], activation: TorchActivation) -> tuple[Tensor, ...]:
    """The gradient by h, and the sums over each group of d_z and of d_z times the normalised h."""
    normal, inverse, gamma, out, *z = kept
    minus_share = -1 / normal.shape[2]
    d_z = activation.backward(gradient.view_as(normal), z[0] if z else None, out)
    sum_d = d_z.sum(2, keepdim=True)
    sum_dn = (d_z * normal).sum(2, keepdim=True)
    # dL/dh = (gamma/sigma) (d_z - mean(d_z) - normal mean(d_z normal)): the derivative goes through both statistics
    d_h = d_z.addcmul_(normal, sum_dn, value=minus_share)
    d_h.add_(sum_d, alpha=minus_share)
    d_h *= inverse * gamma
    return d_h.view_as(gradient), sum_d, sum_dn


def _over_groups(sums: Tensor, wanted: bool) -> Tensor | None:
    """[K, N] of the sums [K, G, 1, N] over each group; None if no gradient is wanted."""
    members, groups, _, width = sums.shape
    return (sums if groups == 1 else sums.sum(1)).view(members, width) if wanted else None


class _BatchNormActivation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, gamma: Tensor, beta: Tensor, eps: Tensor, groups: int, activation: TorchActivation
    ) -> tuple[Tensor, Tensor, Tensor]:
        kept, out, mean, variance = _normalise(h, gamma, beta, eps, groups, activation, own=False)
        ctx.save_for_backward(*kept)
        ctx.activation = activation
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)  # theirs would be tensors of zeros
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradients[0] is None:
            return (None,) * 6
        d_h, sum_d, sum_dn = _differentiate(gradients[0], ctx.saved_tensors, ctx.activation)
        wanted = ctx.needs_input_grad
        d_gamma, d_beta = _over_groups(sum_dn, wanted[1]), _over_groups(sum_d, wanted[2])
        return d_h, d_gamma, d_beta, None, None, None


class _LinearBatchNormActivation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        gamma: Tensor,
        beta: Tensor,
        eps: Tensor,
        groups: int,
        activation: TorchActivation,
    ) -> tuple[Tensor, Tensor, Tensor]:
        kept, out, mean, variance = _normalise(torch.bmm(x, weight), gamma, beta, eps, groups, activation, own=True)
        ctx.save_for_backward(x, weight, *kept)
        ctx.activation = activation
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)  # theirs would be tensors of zeros
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradients[0] is None:
            return (None,) * 7
        x, weight, *kept = ctx.saved_tensors
        d_h, sum_d, sum_dn = _differentiate(gradients[0], tuple(kept), ctx.activation)
        d_x = torch.bmm(d_h, weight.transpose(1, 2)) if ctx.needs_input_grad[0] else None
        d_weight = torch.bmm(x.transpose(1, 2), d_h) if ctx.needs_input_grad[1] else None
        wanted = ctx.needs_input_grad
        d_gamma, d_beta = _over_groups(sum_dn, wanted[2]), _over_groups(sum_d, wanted[3])
        return d_x, d_weight, d_gamma, d_beta, None, None, None


def batchnorm_activation(
    h: Float[Tensor, "K B N"],
    gamma: Float[Tensor, "K N"],
    beta: Float[Tensor, "K N"],
    eps: Float[Tensor, " K"],
    *,
    groups: int,
    activation: TorchActivation,
) -> tuple[Float[Tensor, "K B N"], Float[Tensor, "K G 1 N"], Float[Tensor, "K G 1 N"]]:
    """φ(γ·(h − mean)/sqrt(var + ε) + β) for every member, with the statistics of ``groups`` equal parts of the batch.

    The variance is the biased one and ε stands inside the root (eq. 7 of Yang et al. 2019, as corrected in
    docs/errata.md).

    Returns:
        The activations, and each group's mean and biased variance (not differentiable; for running statistics).
    """
    return _BatchNormActivation.apply(h, gamma, beta, eps, groups, activation)  # type: ignore[no-any-return]


def linear_batchnorm_activation(
    x: Float[Tensor, "K B M"],
    weight: Float[Tensor, "K M N"],
    gamma: Float[Tensor, "K N"],
    beta: Float[Tensor, "K N"],
    eps: Float[Tensor, " K"],
    *,
    groups: int,
    activation: TorchActivation,
) -> tuple[Float[Tensor, "K B N"], Float[Tensor, "K G 1 N"], Float[Tensor, "K G 1 N"]]:
    """``batchnorm_activation(x·weight, …)``, to the same bits, with no pre-activation left for anyone to see."""
    return _LinearBatchNormActivation.apply(x, weight, gamma, beta, eps, groups, activation)  # type: ignore[no-any-return]
