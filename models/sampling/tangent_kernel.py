"""The tangent kernel of a network of finite width: products of the gradients of its logits by its parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phasemap.models.stack import Stack


def tangent_kernel(
    build: Callable[[int], Stack], x: Float[Tensor, "n D"]
) -> tuple[Float[np.ndarray, "n K"], Float[np.ndarray, "n K n K"]]:
    """The logits of a batch and the kernel Θ of all of them, by all parameters that are trained, in float64.

    The gradient of each logit is that of one copy of the network: a stack of n·K equal members, so that one backward
    pass gives all of them. Networks with batch statistics see the n samples as one batch.

    Args:
        build: makes a stack of that many equal networks. It holds n·K times their parameters.
    """
    samples = len(x)
    with torch.no_grad():
        classes = build(1)(x[None], statistics_batch_size=samples).shape[2]
    stack = build(samples * classes)
    logits = stack(x.expand(len(stack), *x.shape), statistics_batch_size=samples)
    each = logits.view(samples, classes, samples, classes)
    trained = [p for p in stack.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(torch.einsum("ikik->", each), trained)
    rows = (gradient.double().flatten(1) for gradient in gradients)
    kernel = sum((row @ row.T for row in rows), torch.zeros(1, dtype=torch.float64))
    return logits[0].detach().double().numpy(), kernel.view(samples, classes, samples, classes).numpy()
