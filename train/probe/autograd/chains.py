"""From single layers to the steps of the explosion rate: one weight layer, or one block that a skip connection spans.

The rate is measured between *points* that every path from the input to the output passes (``graph.cuts``). A weight
layer whose output is such a point is a layer, as in the theory of batch normalisation, where the gradient by the
pre-activations is followed. Weight layers that lie on parallel paths together are a block, and their point is where the
paths have joined, as in the theory of residual networks, where the gradient by the block's output is followed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from phasemap.train.probe.autograd.forward import Call, Moments, Node, Place
from phasemap.train.probe.autograd.graph import Graph

NORMALISATION = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)

RESHAPING = ("View", "Reshape", "ReshapeAlias", "Transpose", "T", "Permute", "Unsqueeze", "Squeeze", "Expand", "Clone")


@dataclass(frozen=True)
class Point:
    """Where the gradient is measured for the rate.

    Attributes:
        name: of the layer; of a block what the names of its layers have in common.
        layers: its weight layers, in the order of their calls. node: of the graph.
        moments: of the activation there; empty where no layer returned it or was given it.
    """

    name: str
    layers: tuple[Call, ...]
    node: Node
    moments: Moments

    @property
    def is_layer(self) -> bool:
        """Whether it is the output of a single layer, and not where the paths of a block join."""
        place = self.layers[0].place
        return len(self.layers) == 1 and place is not None and place[0] is self.node


def is_weight_layer(call: Call) -> bool:
    """Whether the module owns a matrix (or a larger array) of parameters, and is no normalisation."""
    return not isinstance(call.module, NORMALISATION) and any(p.ndim > 1 for p in call.module.parameters())


def points(calls: Sequence[Call], graph: Graph, moments: Mapping[Place, Moments]) -> list[Point]:
    """The points from the input to the output. A weight layer without a path to both ends belongs to none."""
    positions = [graph.order[node] for node in graph.cuts]
    groups: dict[Node, list[Call]] = {}
    for call in calls:
        if call.place is None or call.place[0] not in graph.order or not is_weight_layer(call):
            continue
        # the output itself if it is a cut, else the first cut behind it; none where several outputs never join
        place = bisect_right(positions, graph.order[call.place[0]] - 1)
        if place < len(positions):
            groups.setdefault(graph.cuts[place], []).append(call)
    ordered = sorted(groups, key=lambda node: graph.order[node])
    return [
        Point(_common([c.name for c in groups[node]]), tuple(groups[node]), node, moments.get((node, 0), Moments()))
        for node in ordered
    ]


def _common(names: list[str]) -> str:
    """The common beginning of paths, or the first and the last of them."""
    if len(names) == 1:
        return names[0]
    parts = [name.split(".")[:-1] for name in names]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return ".".join(shared) or f"{names[0]} … {names[-1]}"


def is_sum(below: Point, above: Point, graph: Graph) -> bool:
    """Whether ``above`` is ``below`` plus the output of the last layer between them."""
    outer = above.layers[-1].place
    if above.node.name() != "AddBackward0" or above.node._saved_alpha != 1 or outer is None:
        return False
    branches = graph.below(above.node)
    return len(branches) == 2 and set(branches) == {below.node, outer[0]}


def between(graph: Graph, place: Place | None, end: Node) -> list[Node] | None:
    """The nodes from ``place`` down to ``end``, without ``end``, if they form a chain; else None."""
    found: list[Node] = []
    node = place[0] if place else None
    while node is not end:
        below = graph.below(node) if node in graph.order else []
        if len(below) != 1 or graph.order[node] < graph.order[end]:
            return None
        found.append(node)
        node = below[0]
    return found


def outside_modules(calls: Sequence[Call], graph: Graph) -> dict[str, int]:
    """What the model computes by functions between its layers, such as F.relu: the names of the nodes, with numbers."""
    inside: set[Node] = set()
    for call in calls:
        stack = [call.place[0]] if call.place else []
        end = call.inputs[0] if call.inputs else None
        while stack:
            node = stack.pop()
            if node in graph.order and node not in inside and node is not end:
                inside.add(node)
                stack += graph.below(node)
    kinds = Counter(
        re.sub(r"Backward\d*$", "", node.name()) for node, place in graph.order.items() if node not in inside and place
    )
    return {kind: count for kind, count in kinds.most_common() if not kind.endswith(RESHAPING)}


def mean_square(parameter: torch.Tensor | None) -> float:
    """Of all entries in float64; 0 for a parameter that is not there."""
    return 0.0 if parameter is None else float(parameter.detach().double().square().mean())


def fan_in_variance(layer: nn.Linear) -> float:
    """σ² of weights drawn from N(0, σ²/fan_in), from the layer's own weights."""
    return layer.in_features * mean_square(layer.weight)
