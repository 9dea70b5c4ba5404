"""What the theory says of the measured layers: which steps it knows, and their predicted growth.

A *stretch* is a run of neighbouring steps that the theory describes by one setting. A step is recognised by one of

* theories/batchnorm.py: Linear → BatchNorm1d with batch statistics → φ → Linear;
* theories/plain.py: Linear → φ → Linear, or Linear → LayerNorm → φ → Linear;
* theories/batchnorm_residual.py: blocks x + W·φ(BN(x));
* theories/residual.py: blocks x + v·φ(w·x + b) + a.

The theory is that of independent random weights; of the weights only the variances are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from phasemap.theory.errors import InputError
from phasemap.train.probe.autograd.chains import NORMALISATION, Point
from phasemap.train.probe.autograd.forward import Call
from phasemap.train.probe.autograd.graph import Graph
from phasemap.train.probe.theories.batchnorm import NO_NORM, batchnorm_step
from phasemap.train.probe.theories.batchnorm_residual import batchnorm_block
from phasemap.train.probe.theories.plain import plain_step
from phasemap.train.probe.theories.residual import residual_block
from phasemap.train.probe.theories.stretch import Step, Stretch, Surroundings


def predict(
    points: Sequence[Point], calls: Sequence[Call], graph: Graph
) -> tuple[list[Stretch], list[tuple[str, int]]]:
    """The stretches that the theory knows; for the other steps why it does not, and how many, commonest first."""
    norms = {call.place[0]: call for call in calls if call.place and isinstance(call.module, NORMALISATION)}
    known = [
        _step(below, above, Surroundings(graph, norms, following))
        for below, above, following in zip(points, points[1:], [*points[2:], None], strict=False)
    ]
    stretches: list[Stretch] = []
    reasons: Counter[str] = Counter()
    first = 0
    while first < len(known):
        start = known[first]
        last = first
        if isinstance(start, str):
            reasons[start] += 1
        else:
            while last + 1 < len(known) and start.continues_with(known[last + 1]):
                last += 1
            try:
                stretches.append(start.stretch(first, known[first : last + 1]))
            except InputError as error:
                reasons[error.messages[0]] += last - first + 1
        first = last + 1
    return stretches, reasons.most_common()


def _step(below: Point, above: Point, around: Surroundings) -> Step | str:
    """The step if a theory knows it, else why none does."""
    if above.is_layer:
        step = batchnorm_step(below, above, around)
        plain = isinstance(step, str) and step.startswith((NO_NORM, "LayerNorm"))
        return plain_step(below, above, around) if plain else step
    order = around.graph.order
    inside = (order[below.node] < order.get(node, -1) < order[above.node] for node in around.norms)
    return (batchnorm_block if any(inside) else residual_block)(below, above, around)
