"""Which φ a node of the autograd graph is, as the theory's ``Activation``, whether a module or a function made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from phasemap.theory.activations import Activation, activation
from phasemap.train.probe.forward import Node

BUILT_IN = {
    "ReluBackward0": "relu",
    "LeakyReluBackward0": "leaky-relu",
    "TanhBackward0": "tanh",
    "ErfBackward0": "erf",
    "SinBackward0": "sin",
    "AbsBackward0": "abs",
}
SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {
    "SiluBackward0": functional.silu,
    "MishBackward0": functional.mish,
    "SigmoidBackward0": torch.sigmoid,
}


def named_activation(nodes: list[Node], *, scale: float = 1.0, shift: float = 0.0) -> Activation | str:
    """z ↦ φ(scale·z + shift) for the φ that ``nodes`` compute, of which there is at most one (none: the identity).

    Returns a sentence if φ is not known.
    """
    if not nodes:
        return activation("identity", scale=scale, shift=shift)
    kind = nodes[0].name()
    if len(nodes) > 1:
        return "what stands between is no single activation: " + " ← ".join(node.name() for node in nodes)
    if kind == "LeakyReluBackward0":
        return activation("leaky-relu", slope=float(nodes[0]._saved_negative_slope), scale=scale, shift=shift)
    if kind in BUILT_IN:
        return activation(BUILT_IN[kind], scale=scale, shift=shift)
    if kind in SMOOTH:
        return _from_torch(kind.removesuffix("Backward0").lower(), SMOOTH[kind], (), scale, shift)
    if kind == "GeluBackward0":
        form = nodes[0]._saved_approximate
        return _from_torch("gelu", lambda z: functional.gelu(z, approximate=form), (), scale, shift)
    if kind == "EluBackward0":
        node = nodes[0]
        alpha, outer, inner = (float(getattr(node, f"_saved_{name}")) for name in ("alpha", "scale", "input_scale"))
        return _from_torch(
            "elu", lambda z: outer * torch.where(z > 0, z, alpha * torch.expm1(inner * z)), (0.0,), scale, shift
        )
    return f"{kind.removesuffix('Backward0')} is no activation that the theory knows"


def _from_torch(
    name: str, function: Callable[[Tensor], Tensor], kinks: tuple[float, ...], scale: float, shift: float
) -> Activation:
    """An elementwise function of torch and its derivative by autograd, in NumPy."""

    def phi(z: Any) -> Any:
        return function(torch.as_tensor(scale * np.asarray(z, dtype=float) + shift)).numpy()

    def derivative(z: Any) -> Any:
        with torch.enable_grad():
            at = torch.as_tensor(scale * np.asarray(z, dtype=float) + shift).requires_grad_()
            (slope,) = torch.autograd.grad(function(at).sum(), at)
        return scale * slope.numpy()

    details = {"scale": scale} if scale != 1 else {}
    details |= {"shift": shift} if shift != 0 else {}
    label = name + "".join(f" {key}={value:g}" for key, value in details.items())
    return Activation(name, phi, derivative, tuple((kink - shift) / scale for kink in kinks if scale), None, label)
