"""The catalogue of activations in torch: φ and its backward pass, elementwise, for the fused BN layer.

The same names and meanings as ``theory.activations``; a test holds the two catalogues together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from theory.activations import BUILT_IN
from theory.errors import InputError
from theory.user_code import is_user_code, load_user_activation


@dataclass(frozen=True)
class TorchActivation:
    """φ and its backward pass.

    Attributes:
        phi: z ↦ φ(z), elementwise.
        backward: (g, z, φ(z)) ↦ g·φ′(z), a new tensor.
        needs_input: whether ``backward`` looks at z; else z is not kept for it, and it is given None.
    """

    phi: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Any, Tensor], Tensor]
    needs_input: bool


def _power_backward(g: Tensor, z: Tensor, out: Tensor, alpha: float) -> Tensor:
    return torch.where(z > 0, g * alpha * z.clamp_min(torch.finfo(z.dtype).tiny) ** (alpha - 1), 0.0)


def torch_activation(name: str, *, slope: float = 0.01, alpha: float = 1.0) -> TorchActivation:
    """The activation ``name`` (``theory.activations.BUILT_IN`` or ``path/to/file.py:name``).

    Raises:
        InputError: unknown name, or a user's file that does not fit.
    """
    if is_user_code(name):
        _, phi, derivative = load_user_activation(name, torch)
        return TorchActivation(phi, lambda g, z, out: g * derivative(z), True)
    aten = torch.ops.aten
    catalogue: dict[str, TorchActivation] = {
        "relu": TorchActivation(torch.relu, lambda g, z, out: aten.threshold_backward(g, out, 0), False),
        "leaky-relu": TorchActivation(
            lambda z: torch.where(z > 0, z, slope * z), lambda g, z, out: torch.where(z > 0, g, slope * g), True
        ),
        "alpha-relu": TorchActivation(
            lambda z: torch.where(z > 0, z.clamp_min(0) ** alpha, 0.0), partial(_power_backward, alpha=alpha), True
        ),
        "tanh": TorchActivation(torch.tanh, lambda g, z, out: aten.tanh_backward(g, out), False),
        "erf": TorchActivation(torch.erf, lambda g, z, out: g * (2 / math.sqrt(math.pi)) * torch.exp(-z * z), True),
        "sin": TorchActivation(torch.sin, lambda g, z, out: g * torch.cos(z), True),
        "identity": TorchActivation(torch.clone, lambda g, z, out: g.clone(), False),
        "abs": TorchActivation(torch.abs, lambda g, z, out: g * torch.sign(z), True),
    }
    if name not in catalogue:
        raise InputError(f"unknown activation {name!r}: expected one of {', '.join(BUILT_IN)}, or path/to/file.py:name")
    return catalogue[name]
