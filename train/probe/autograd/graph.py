"""The autograd graph between a model's output and its input, and its *cuts*: nodes that every path passes.

At a cut the whole gradient may be divided by a number, and then every gradient below is divided by the same number. In
a chain every node is a cut; in a residual network those between the blocks are. Elsewhere it would tear sums apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phasemap.theory.errors import InputError
from phasemap.train.probe.autograd.forward import Node


@dataclass(frozen=True)
class Graph:
    """The nodes on paths between the outputs and the input.

    Attributes:
        order: position of each node from the input (0) to the outputs, so that gradients flow to smaller positions.
        cuts: the nodes on every path, from the input to the outputs.
    """

    order: dict[Node, int]
    cuts: tuple[Node, ...]

    def below(self, node: Node) -> list[Node]:
        """The nodes that the gradient goes to from ``node``, without those that lead to parameters only."""
        return [following for following, _ in node.next_functions if following in self.order]


def trace_graph(outputs: Sequence[Node], start: Node) -> Graph:
    """The graph from the outputs' nodes down to ``start``.

    A node is a cut if the number of paths from the outputs to it, times that from it to ``start``, is the number of
    all paths (exact: Python's integers have no bound).

    Raises:
        InputError: no path leads to ``start``.
    """
    down: dict[Node, int] = {}  # paths to the start; insertion order is from the start upwards
    stack = [(node, False) for node in outputs]
    while stack:
        node, seen_below = stack.pop()
        if node in down:
            continue
        following = [other for other, _ in node.next_functions if other is not None]
        if seen_below:
            down[node] = 1 if node is start else sum(down[other] for other in following)
            continue
        stack.append((node, True))
        stack += [(other, False) for other in following if other not in down]
    nodes = [node for node, paths in down.items() if paths]
    if start not in down or not any(node in nodes for node in outputs):
        raise InputError("the model's output does not depend on its input in a differentiable way: no gradient arrives")
    up = dict.fromkeys(nodes, 0)
    for node in outputs:
        if node in up:
            up[node] += 1
    total = sum(down[node] for node in outputs)
    for node in reversed(nodes):
        for other, _ in node.next_functions:
            if other in up and node is not start:
                up[other] += up[node]
    return Graph(
        {node: position for position, node in enumerate(nodes)},
        tuple(node for node in nodes if up[node] * down[node] == total),
    )
