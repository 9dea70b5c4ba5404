"""Which φ a node of the autograd graph is, as the theory's ``Activation``, whether a module or a function made it."""

from __future__ import annotations

from phasemap.theory.activations import Activation, activation
from phasemap.theory.elementwise import SELU_ALPHA, SELU_SCALE
from phasemap.train.probe.autograd.forward import Node

BUILT_IN = {
    "ReluBackward0": "relu",
    "LeakyReluBackward0": "leaky-relu",
    "TanhBackward0": "tanh",
    "ErfBackward0": "erf",
    "SinBackward0": "sin",
    "AbsBackward0": "abs",
    "GeluBackward0": "gelu",
    "SiluBackward0": "silu",
    "MishBackward0": "mish",
    "EluBackward0": "elu",
    "SoftplusBackward0": "softplus",
    "SigmoidBackward0": "sigmoid",
}


def named_activation(nodes: list[Node], *, scale: float = 1.0, shift: float = 0.0) -> Activation | str:
    """z ↦ φ(scale·z + shift) for the φ that ``nodes`` compute, of which there is at most one (none: the identity).

    Returns a sentence if φ is not known.
    """
    if not nodes:
        return activation("identity", scale=scale, shift=shift)
    if len(nodes) > 1:
        return "what stands between is no single activation: " + " ← ".join(node.name() for node in nodes)
    node, kind = nodes[0], nodes[0].name()
    if kind not in BUILT_IN:
        return f"{kind.removesuffix('Backward0')} is no activation that the theory knows"
    if kind == "EluBackward0":
        return _elu(node, scale, shift)
    if kind == "SoftplusBackward0" and node._saved_beta != 1:
        return f"Softplus with beta {float(node._saved_beta):g} is no activation that the theory knows"
    name = "gelu-tanh" if kind == "GeluBackward0" and node._saved_approximate == "tanh" else BUILT_IN[kind]
    slope = {"slope": float(node._saved_negative_slope)} if name == "leaky-relu" else {}
    return activation(name, scale=scale, shift=shift, **slope)


def _elu(node: Node, scale: float, shift: float) -> Activation | str:
    """ELU, or SELU, whose node differs in its constants only."""
    alpha, outer, inner = (float(getattr(node, f"_saved_{name}")) for name in ("alpha", "scale", "input_scale"))
    if (alpha, outer, inner) == (SELU_ALPHA, SELU_SCALE, 1):
        return activation("selu", scale=scale, shift=shift)
    if alpha > 0 and (outer, inner) == (1, 1):
        return activation("elu", alpha=alpha, scale=scale, shift=shift)
    return f"ELU with alpha {alpha:g}, scale {outer:g} is no activation that the theory knows"
