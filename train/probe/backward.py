"""Rescaled backprop: at every cut of the graph the gradient is divided by its root mean square, and the logarithm kept.

Valid at any depth in any dtype: what is propagated stays of order 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from train.probe.forward import Node, Place
from train.probe.graph import Graph
from train.quantities import log_norm


class RescaledBackprop:
    """One backward pass of Σ⟨cotangent, output⟩ down to ``leaf``, without a gradient by any parameter.

    Args:
        places: where the norm of the gradient is wanted; a node alone stands for all of its outputs.
    """

    def __init__(self, graph: Graph, places: Iterable[Place | Node]) -> None:
        self.cuts = set(graph.cuts)
        self.scale: Tensor | float = 0.0  # ln of what the gradient was divided by so far
        self.found: dict[Any, Tensor] = {}
        self.wanted: dict[Node, list[Any]] = {}
        for place in places:
            node = place[0] if isinstance(place, tuple) else place
            if node in graph.order:
                self.wanted.setdefault(node, []).append(place)

    def run(self, outputs: Sequence[Tensor], cotangents: Sequence[Tensor], leaf: Tensor) -> dict[Any, float]:
        """ln ‖gradient‖ by place: −∞ where zero, NaN where not finite; places without a gradient are absent."""
        handles = [node.register_prehook(self._hook(node)) for node in self.wanted]
        try:
            torch.autograd.grad(outputs, leaf, cotangents, allow_unused=True)
        finally:
            for handle in handles:
                handle.remove()
        return {place: float(value) for place, value in self.found.items()}

    def _hook(self, node: Node) -> Any:
        def arrived(gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...] | None:
            present = [g for g in gradients if g is not None]
            if not present:
                return None
            whole = _together(present)
            for place in self.wanted[node]:
                one = gradients[place[1]] if isinstance(place, tuple) else None
                norm = whole if len(present) == 1 or not isinstance(place, tuple) else _together([one])
                self.found[place] = norm + self.scale
            if node not in self.cuts:
                return None
            count = sum(g.numel() for g in present)
            root_mean_square = torch.exp(whole) / count**0.5
            usable = root_mean_square.isfinite() & (root_mean_square > 0)
            divisor = torch.where(usable, root_mean_square, torch.ones_like(root_mean_square))
            self.scale = divisor.log() + self.scale
            return tuple(None if g is None else (g / divisor).to(g.dtype) for g in gradients)

        return arrived


def _together(gradients: Sequence[Tensor | None]) -> Tensor:
    """ln of the Euclidean norm of all entries of all the gradients, a float64 scalar."""
    logs = [log_norm(g.reshape(1, -1))[0] for g in gradients if g is not None]
    return torch.logsumexp(2 * torch.stack(logs), 0) / 2 if len(logs) > 1 else logs[0]
