"""The catalogue of activations in torch: φ and its backward pass, elementwise, for the fused BN layer.

The same names and meanings as ``phasemap.theory.activations``; a test holds the two catalogues together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from phasemap.theory.activations import BUILT_IN
from phasemap.theory.elementwise import SELU_ALPHA, SELU_SCALE
from phasemap.theory.errors import InputError
from phasemap.theory.guard import passes, reason
from phasemap.theory.user_code import is_user_code, load_user_activation

LINEAR = 40.0  # where softplus(z) = z to rounding, also in float64; torch's default of 20 leaves a step of 2e-9


@dataclass(frozen=True)
class TorchActivation:
    """φ and its backward pass.

    Attributes:
        phi: z ↦ φ(z), elementwise.
        backward: (g, z, φ(z)) ↦ g·φ′(z), a new tensor.
        needs_input: whether ``backward`` looks at z; else z is not kept for it, and it is given None.
        in_place: z ↦ φ(z), to the same bits, that may overwrite z: a pass over memory less where z is not kept.
    """

    phi: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Any, Tensor], Tensor]
    needs_input: bool
    in_place: Callable[[Tensor], Tensor] | None = None

    def of_own(self, z: Tensor) -> Tensor:
        """φ(z) of a z that nobody else holds; z is intact afterwards if ``needs_input``."""
        return self.phi(z) if self.needs_input or self.in_place is None else self.in_place(z)


def _power(z: Tensor, alpha: float) -> Tensor:
    return z.clamp_min(0).pow_(alpha)


def _power_backward(g: Tensor, z: Tensor, out: Tensor, alpha: float) -> Tensor:
    slope = z.clamp_min(torch.finfo(z.dtype).tiny).pow_(alpha - 1)
    return torch.where(z > 0, slope.mul_(g * alpha), 0.0)


def _erf_backward(g: Tensor, z: Tensor, out: Tensor) -> Tensor:
    return (z * z).neg_().exp_().mul_(g * (2 / math.sqrt(math.pi)))


def _leaky_relu(slope: float) -> TorchActivation:
    """The sign of φ(z) is that of z, so that φ(z) is enough for the derivative, unless the slope is negative."""
    from_output = slope >= 0
    return TorchActivation(
        lambda z: functional.leaky_relu(z, slope),
        lambda g, z, out: torch.ops.aten.leaky_relu_backward(g, out if from_output else z, slope, from_output),
        not from_output,
        lambda z: functional.leaky_relu_(z, slope),
    )


def _elu(alpha: float, scale: float = 1.0) -> TorchActivation:
    """φ(z) is enough for the derivative as α > 0: below zero φ′ = φ + scale·α."""
    return TorchActivation(
        lambda z: torch.ops.aten.elu(z, alpha, scale),
        lambda g, z, out: torch.ops.aten.elu_backward(g, alpha, scale, 1.0, True, out),
        False,
        lambda z: torch.ops.aten.elu_(z, alpha, scale),
    )


def _gelu(form: str) -> TorchActivation:
    """gelu in torch's form ``none`` (exact) or ``tanh``."""
    return TorchActivation(
        lambda z: functional.gelu(z, approximate=form),
        lambda g, z, out: torch.ops.aten.gelu_backward(g, z, approximate=form),
        True,
    )


def _own(function: Callable[[Tensor], Any], name: str) -> Callable[[Tensor], Tensor]:
    """A user's function; what it raises, and what it returns or does that no activation may, is told as the file's."""

    def called(z: Tensor) -> Tensor:
        version = z._version
        try:
            found = function(z)
        except BaseException as error:  # whatever the user's function raises is the user's to read
            if passes(error) or isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
                raise
            raise InputError(f"{name!r}: it fails on a tensor: {reason(error)}") from error
        if not isinstance(found, Tensor) or found.shape != z.shape or found.is_complex():
            got = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise InputError(f"{name!r}: of a tensor {tuple(z.shape)} it made {got}: expected real numbers, as many")
        if z._version != version:
            raise InputError(f"{name!r}: it writes into the tensor it is given: expected a new tensor")
        return found.to(z.dtype)

    return called


def torch_activation(name: str, *, slope: float = 0.01, alpha: float = 1.0) -> TorchActivation:
    """The activation ``name`` (``phasemap.theory.activations.BUILT_IN`` or ``path/to/file.py:name``).

    Raises:
        InputError: unknown name, or a user's file that does not fit.
    """
    if is_user_code(name):
        _, phi, derivative = load_user_activation(name, torch)
        phi, slope_of = (_own(function, name) for function in (phi, derivative))
        return TorchActivation(phi, lambda g, z, out: g * slope_of(z), True)
    aten = torch.ops.aten
    catalogue: dict[str, TorchActivation] = {
        "relu": TorchActivation(torch.relu, lambda g, z, out: aten.threshold_backward(g, out, 0), False, torch.relu_),
        "leaky-relu": _leaky_relu(slope),
        "alpha-relu": TorchActivation(partial(_power, alpha=alpha), partial(_power_backward, alpha=alpha), True),
        "tanh": TorchActivation(torch.tanh, lambda g, z, out: aten.tanh_backward(g, out), False, torch.tanh_),
        "erf": TorchActivation(torch.erf, _erf_backward, True),
        "sin": TorchActivation(torch.sin, lambda g, z, out: torch.cos(z).mul_(g), True),
        "identity": TorchActivation(torch.clone, lambda g, z, out: g.clone(), False, lambda z: z),
        "abs": TorchActivation(torch.abs, lambda g, z, out: torch.sign(z).mul_(g), True),
        "gelu": _gelu("none"),
        "gelu-tanh": _gelu("tanh"),
        "silu": TorchActivation(functional.silu, lambda g, z, out: aten.silu_backward(g, z), True),
        "mish": TorchActivation(functional.mish, lambda g, z, out: aten.mish_backward(g, z), True),
        "elu": _elu(alpha),
        "selu": _elu(SELU_ALPHA, SELU_SCALE),
        "softplus": TorchActivation(
            lambda z: functional.softplus(z, threshold=LINEAR),
            lambda g, z, out: aten.softplus_backward(g, z, 1, LINEAR),
            True,
        ),
        "sigmoid": TorchActivation(
            torch.sigmoid, lambda g, z, out: aten.sigmoid_backward(g, out), False, torch.sigmoid_
        ),
    }
    if name not in catalogue:
        raise InputError(f"unknown activation {name!r}: expected one of {', '.join(BUILT_IN)}, or path/to/file.py:name")
    return catalogue[name]
