"""Rescaled backprop: at every point the gradient is divided by its root mean square, and the logarithm is kept.

Valid at any depth in any dtype: what is propagated stays of order 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phasemap.train.probe.autograd.forward import Node, Place
from phasemap.train.probe.autograd.graph import Graph

Gradients = tuple["Tensor | None", ...]


class RescaledBackprop:
    """One backward pass of Σ⟨cotangent, output⟩ down to ``leaf``, without a gradient by any parameter.

    Args:
        places: where the norm of the gradient is wanted.
        cuts: nodes of ``graph.cuts`` at which it is wanted, by all of the node's outputs, and at which it is rescaled.
    """

    def __init__(self, graph: Graph, places: Iterable[Place], cuts: Iterable[Node]) -> None:
        self.scale = 0.0  # ln of what the gradient was divided by so far
        self.reached: Node | None = None  # where it has come last
        self.found: dict[Place, float] = {}
        self.at_cut: dict[Node, float] = {}
        self.wanted: dict[Node, list[Place]] = {}
        self.cuts = set(cuts)
        for node in self.cuts:
            self.wanted[node] = []
        for place in places:
            if place[0] in graph.order:
                self.wanted.setdefault(place[0], []).append(place)

    def run(self, outputs: Sequence[Tensor], cotangents: Sequence[Tensor], leaf: Tensor) -> None:
        """Fills ``found``, ``at_cut`` with ln ‖gradient‖: −∞ where zero, NaN where not finite, absent without one."""
        handles = [node.register_prehook(self._hook(node)) for node in self.wanted]
        try:
            torch.autograd.grad(outputs, leaf, cotangents, allow_unused=True)
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, node: Node) -> Callable[[Gradients], Gradients | None]:
        def arrived(gradients: Gradients) -> Gradients | None:
            self.reached = node
            logs = [-math.inf if g is None else _log_norm(g) for g in gradients]
            for place in self.wanted[node]:
                if gradients[place[1]] is not None:
                    self.found[place] = logs[place[1]] + self.scale
            if node not in self.cuts:
                return None
            whole = logs[0] if len(logs) == 1 else float(np.logaddexp.reduce([2 * log for log in logs])) / 2
            self.at_cut[node] = whole + self.scale
            if not math.isfinite(whole):
                return None
            log_rms = whole - math.log(sum(g.numel() for g in gradients if g is not None)) / 2
            self.scale += log_rms
            # in two factors: in half precision one alone could leave the dtype's range
            half = math.exp(-log_rms / 2)
            return tuple(None if g is None else g * half * half for g in gradients)

        return arrived


def _log_norm(gradient: Tensor) -> float:
    """ln of the Euclidean norm; NaN where an entry is not finite."""
    if gradient.dtype == torch.float64:
        return float(log_norm(gradient.reshape(1, -1))[0])
    # squares of smaller dtypes are in float64's range, so nothing needs scaling
    norm = float(torch.linalg.vector_norm(gradient.detach(), dtype=torch.float64))
    return math.log(norm) if 0 < norm < math.inf else -math.inf if norm == 0 else math.nan


def log_norm(x: Float[Tensor, "k ..."]) -> Float[Tensor, " k"]:
    """ln of the Euclidean norm of each x[k], in float64; −∞ of zeros, NaN where an entry is not finite."""
    rows = x.detach().reshape(len(x), -1).double()
    largest = rows.abs().amax(1)
    scale = torch.where(largest > 0, largest, torch.ones_like(largest))
    norm = largest.log() + 0.5 * (rows / scale[:, None]).square().sum(1).log()
    # of zeros: −∞ − ∞·½ = −∞; of infinity: ∞ or NaN
    return torch.where(largest.isfinite(), norm, torch.full_like(norm, torch.nan))
