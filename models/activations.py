"""The catalogue of activations in torch: φ and φ′, elementwise, for the fused BN layer.

The same names and meanings as ``theory.activations``; a test holds the two catalogues together.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from theory.activations import BUILT_IN
from theory.errors import InputError
from theory.user_code import is_user_code, load_user_module


@dataclass(frozen=True)
class TorchActivation:
    """φ and its derivative.

    Attributes:
        phi: z ↦ φ(z), elementwise.
        derivative: (z, φ(z)) ↦ φ′(z); what it does not need of the two is not kept for the backward pass.
        needs_input: whether ``derivative`` looks at z (else z may be None).
    """

    phi: Callable[[Tensor], Tensor]
    derivative: Callable[[Any, Tensor], Tensor]
    needs_input: bool


def _power_derivative(z: Tensor, out: Tensor, alpha: float) -> Tensor:
    return torch.where(z > 0, alpha * z.clamp_min(torch.finfo(z.dtype).tiny) ** (alpha - 1), 0.0)


def _with_torch(function: Callable[..., Any]) -> Callable[..., Any]:
    return partial(function, xp=torch) if len(inspect.signature(function).parameters) > 1 else function


def _user(text: str) -> TorchActivation:
    module, name = load_user_module(text)
    phi = getattr(module, name)
    derivative = getattr(phi, "derivative", None) or getattr(module, f"{name}_derivative", None)
    if not callable(phi) or not callable(derivative):
        raise InputError(f"{text!r}: expected a function {name}(z) and its derivative {name}_derivative(z)")
    phi, derivative = _with_torch(phi), _with_torch(derivative)
    return TorchActivation(phi, lambda z, out: derivative(z), True)


def torch_activation(name: str, *, slope: float = 0.01, alpha: float = 1.0) -> TorchActivation:
    """The activation ``name`` (``theory.activations.BUILT_IN`` or ``path/to/file.py:name``).

    Raises:
        InputError: unknown name, or a user's file that does not fit.
    """
    if is_user_code(name):
        return _user(name)
    catalogue: dict[str, TorchActivation] = {
        "relu": TorchActivation(torch.relu, lambda z, out: (out > 0).to(out.dtype), False),
        "leaky-relu": TorchActivation(
            lambda z: torch.where(z > 0, z, slope * z), lambda z, out: torch.where(z > 0, 1.0, slope).to(z.dtype), True
        ),
        "alpha-relu": TorchActivation(
            lambda z: torch.where(z > 0, z.clamp_min(0) ** alpha, 0.0), partial(_power_derivative, alpha=alpha), True
        ),
        "tanh": TorchActivation(torch.tanh, lambda z, out: 1 - out * out, False),
        "erf": TorchActivation(torch.erf, lambda z, out: 2 / math.sqrt(math.pi) * torch.exp(-z * z), True),
        "sin": TorchActivation(torch.sin, lambda z, out: torch.cos(z), True),
        "identity": TorchActivation(lambda z: z.clone(), lambda z, out: torch.ones_like(out), False),
        "abs": TorchActivation(torch.abs, lambda z, out: torch.sign(z), True),
    }
    if name not in catalogue:
        raise InputError(f"unknown activation {name!r}: expected one of {', '.join(BUILT_IN)}, or path/to/file.py:name")
    return catalogue[name]
