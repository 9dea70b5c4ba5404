"""The tangent kernel of residual networks of constant width at initialisation, layer by layer.

Block l: x = v·φ(w·x̲ + b) + a + x̲ (``theory.residual.recurrence``); f = r·x^(L) + bias with r ~ N(0, 1/N), and
x^(0) = u·input with u ~ N(0, 1/D). With Γ^(L) = 1 and Γ^(l−1) = Γ^(l)·(1 + V_v·V_w·Wφ′) for the product of two inputs'
gradients by x^(l), the products of their gradients by each layer's parameters are

    read-out, bias: N·γ^(L) + 1        v, a: Γ^(l)·(N·Wφ + 1)        w, b: Γ^(l)·V_v·Wφ′·(N·γ^(l−1) + 1)
    embedding: D·γ^(0)·Γ^(0).

For one input p stands for γ, V for W, and Γ is χ^(l)/χ^(L). Every weight matrix enters f once, so each product is exact
where φ is linear, and for other φ up to O(1/N).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.gaussian_transforms import transforms
from phasemap.theory.integrals.slope_covariance import slope_covariance
from phasemap.theory.residual.trace import ResidualTrace


@dataclass(frozen=True)
class ResidualKernel:
    """Products of the gradients of one output by the parameters of each layer, summed over the parameters.

    The layers are the embedding, w and b, v and a of each block from the first on, and the read-out with its bias.

    Attributes:
        own: of one input with itself. pair: of two inputs.
    """

    own: Float[np.ndarray, " layers"]
    pair: Float[np.ndarray, " layers"]


def residual_kernel(trace: ResidualTrace, activation: Activation, *, width: int, inputs: int) -> ResidualKernel:
    """The kernel of the network whose recurrence is ``trace``; 2·depth + 2 layers.

    Args:
        trace: of one network (no grid). activation: φ, the one of ``trace``. width: N. inputs: D.

    Raises:
        InputError: a grid, a width that changes, or a p that exceeds every float.
    """
    mistakes = []
    if trace.p.ndim > 1:
        mistakes.append("trace: a grid of networks; expected one")
    if trace.projection.any() or (trace.widths is not None and {*trace.widths.hidden} != {width}):
        mistakes.append(f"widths: they change or differ from {width}; expected one constant width")
    if width < 1 or inputs < 1:
        mistakes.append(f"width {width}, inputs {inputs}: expected at least 1 of each")
    if mistakes:
        raise InputError(*mistakes)
    kernel = None
    if np.isfinite(trace.p).all():
        q, t, lam = trace.q[1:], (trace.q - trace.lambda_)[1:], trace.lambda_[1:]
        moments = transforms(activation)(q, t, lam)
        slopes = slope_covariance(activation, q, t, lam)
        with np.errstate(over="ignore"):
            one = _parts(trace, trace.p, moments.v, moments.v_derivative, width, inputs)
            kernel = ResidualKernel(one, _parts(trace, trace.gamma, moments.w, slopes, width, inputs))
    if kernel is None or not np.isfinite(kernel.own.sum() + kernel.pair.sum()):
        raise InputError(
            f"depth {trace.depth}: the kernel exceeds every float; expected fewer blocks or a larger decay"
        )
    return kernel


def _parts(trace: ResidualTrace, product: Array, outer: Array, slopes: Array, width: int, inputs: int) -> Array:
    """All layers' products, from those of x, φ(h) and φ′(h)."""
    v = trace.variance_v[1:]
    growth = 1 + v * trace.variance_w[1:] * slopes
    gradient = np.append(np.cumprod(growth[::-1])[::-1], 1.0)
    inner = gradient[1:] * v * slopes * (width * product[:-1] + 1)
    blocks = np.stack([inner, gradient[1:] * (width * outer + 1)], axis=1).ravel()
    return np.concatenate([[inputs * product[0] * gradient[0]], blocks, [width * product[-1] + 1]])
