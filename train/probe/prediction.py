"""What the theory says of the measured layers: which steps it knows, and their predicted growth.

A *stretch* is a run of neighbouring steps that the theory describes by one setting. Two kinds are known:

* batch normalisation: Linear → BatchNorm1d with batch statistics → φ → Linear, the same φ, γ, β, ε and batch size
  all along (Yang et al. 2019);
* residual blocks x + v·φ(w·x + b) + a of one width, with variances that follow σ²·l^(−β) (Yang & Schoenholz 2018).

The theory is that of independent random weights; of the weights only the variances are read.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import nn

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.train.probe.activations import named_activation
from phasemap.train.probe.chains import NORMALISATION, Point, between, fan_in_variance, mean_square
from phasemap.train.probe.forward import Call, Node
from phasemap.train.probe.graph import Graph

UNIFORM = 1e-6  # largest relative spread of γ and β over units that still counts as one value
SAME = 0.05  # difference of ln σ_w² up to which two layers' weights count as drawn from one law, however many
SIGMAS = 5  # standard errors by which the variance of a layer's sample of weights may miss its law


@dataclass(frozen=True)
class Stretch:
    """A run of steps with a prediction.

    Attributes:
        first, last: its first and last step; step i is that between points i and i + 1.
        setting: in words. log_rates: predicted ln of the growth of ‖gradient‖² towards the input, step by step.
        allowance: what finite width may add to a measured ln λ_G↓ (0 where it is not known).
        mean_square, cosine: predicted for the pre-activations; None where they change from layer to layer.
    """

    first: int
    last: int
    setting: str
    log_rates: Float[np.ndarray, " steps"]
    allowance: float = 0.0
    mean_square: float | None = None
    cosine: float | None = None


def finite_width_allowance(batch_size: int, width: int) -> float:
    """A bound on |measured − theory| of ln λ_G↓ at finite width, O(1/N): an envelope of sampled random networks.

    ln λ_G↓ of networks of width N misses that of infinite width by an amount of either sign that depends on φ and B.
    docs/probe.md has the table that the envelope was drawn over (six activations, B from 8 to 128, N from 192 to 768);
    a test samples networks again.
    """
    return (3 + batch_size / 12) / (width + 2 * batch_size)


def predict(
    points: Sequence[Point], calls: Sequence[Call], graph: Graph
) -> tuple[list[Stretch], list[tuple[str, int]]]:
    """The stretches that the theory knows; for the other steps why it does not, and how many, commonest first."""
    norms = {call.place[0]: call for call in calls if call.place and isinstance(call.module, NORMALISATION)}
    known: list[_BatchNormStep | _ResidualStep | str] = [
        _residual_step(below, above, graph) if len(above.layers) > 1 else _batchnorm_step(below, above, graph, norms)
        for below, above in itertools.pairwise(points)
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
                stretches.append(_predicted(first, known[first : last + 1]))
            except InputError as error:
                reasons[error.messages[0]] += last - first + 1
        first = last + 1
    return stretches, reasons.most_common()


@dataclass(frozen=True)
class _BatchNormStep:
    activation: Activation
    gamma: float
    beta: float
    eps: float
    batch_size: int
    sigma_w: float
    weights: int  # entries of the matrix that σ_w was read from
    width: int

    def continues_with(self, other: Any) -> bool:
        if not isinstance(other, _BatchNormStep):
            return False
        mine = (self.activation.label, self.gamma, self.beta, self.eps, self.batch_size)
        if mine != (other.activation.label, other.gamma, other.beta, other.eps, other.batch_size):
            return False
        chance = math.sqrt(2 / self.weights + 2 / other.weights)  # of ln σ_w², from matrices of so many entries
        return 2 * abs(math.log(other.sigma_w / self.sigma_w)) < max(SAME, SIGMAS * chance)


@dataclass(frozen=True)
class _ResidualStep:
    activation: Activation
    variances: dict[str, tuple[float, int]]  # of w, b, v, a: the measured V and the number of entries
    p: float | None  # of the block's input, where it is the output of a layer
    cosine: float | None
    width: int

    def continues_with(self, other: Any) -> bool:
        return isinstance(other, _ResidualStep) and (self.activation.label, self.width) == (
            other.activation.label,
            other.width,
        )


def _batchnorm_step(below: Point, above: Point, graph: Graph, norms: Mapping[Node, Call]) -> _BatchNormStep | str:
    for point in (below, above):
        if len(point.layers) != 1:
            return "between a block and a single layer"
        if not isinstance(point.layers[0].module, nn.Linear):
            return f"{point.layers[0].kind}: the theory here is of Linear layers"
    linear, matrix = above.layers[0], above.layers[0].module
    assert isinstance(matrix, nn.Linear)
    nodes = between(graph, linear.inputs, below.node)
    if nodes is None:
        return "the path between two Linear layers branches"
    if not nodes:
        return "Linear layers without batch normalisation or activation between"
    norm = norms.get(nodes[-1])
    if norm is None:
        return "no batch normalisation between Linear layers"
    if not isinstance(norm.module, nn.BatchNorm1d) or len(norm.shape) != 2:
        return f"{norm.kind} on {len(norm.shape)}-dimensional activations: the theory here is of BatchNorm1d on [B, N]"
    module = norm.module
    if not (module.training or module.running_mean is None):
        return "batch normalisation by running statistics: the theory is of batch statistics"
    gamma, beta = (_uniform(p, default) for p, default in ((module.weight, 1.0), (module.bias, 0.0)))
    if gamma is None or beta is None:
        return "γ or β of batch normalisation differ from unit to unit"
    phi = named_activation(nodes[:-1], scale=gamma, shift=beta)
    if isinstance(phi, str):
        return phi
    sigma_w = math.sqrt(fan_in_variance(matrix))
    if sigma_w == 0:
        return "a Linear layer's weights are all zero"
    return _BatchNormStep(
        phi, gamma, beta, float(module.eps), norm.shape[0], sigma_w, matrix.weight.numel(), norm.shape[1]
    )


def _uniform(parameter: Any, default: float) -> float | None:
    """The value that all entries have, or None."""
    if parameter is None:
        return default
    low, high = float(parameter.detach().min()), float(parameter.detach().max())
    return low if high - low <= UNIFORM * max(abs(low), abs(high)) else None


def _residual_step(below: Point, above: Point, graph: Graph) -> _ResidualStep | str:
    different = "blocks of another form than x + v·φ(w·x + b) + a"
    if len(above.layers) != 2:
        return different
    inner, outer = above.layers
    w, v = inner.module, outer.module
    if not (isinstance(w, nn.Linear) and isinstance(v, nn.Linear)):
        return different
    branches = graph.below(above.node)
    if above.node.name() != "AddBackward0" or set(branches) != {below.node, outer.place[0] if outer.place else None}:
        return different
    if above.node._saved_alpha != 1 or len(branches) != 2 or inner.place is None:
        return different
    nodes = between(graph, outer.inputs, inner.place[0])
    if nodes is None or inner.inputs is None or inner.inputs[0] is not below.node:
        return different
    phi = named_activation(nodes)
    if isinstance(phi, str):
        return phi
    return _ResidualStep(
        phi,
        {
            "w": (fan_in_variance(w), w.weight.numel()),
            "b": (mean_square(w.bias), w.out_features),
            "v": (fan_in_variance(v), v.weight.numel()),
            "a": (mean_square(v.bias), v.out_features),
        },
        below.moments.mean_square,
        below.moments.cosine,
        w.in_features,
    )


def _predicted(first: int, steps: Sequence[Any]) -> Stretch:
    last = first + len(steps) - 1
    return (_residual_stretch if isinstance(steps[0], _ResidualStep) else _batchnorm_stretch)(first, last, steps)


def _batchnorm_stretch(first: int, last: int, steps: Sequence[_BatchNormStep]) -> Stretch:
    one = steps[0]
    sigma_w = math.sqrt(float(np.mean([step.sigma_w**2 for step in steps])))
    width = min(step.width for step in steps)
    record = batchnorm_record(one.activation, one.batch_size, eps=one.eps, sigma_w=sigma_w)
    if record["depth_scale"] is None or not record["backward"]["G"]:
        raise InputError(
            f"{one.activation.label}, batch size {one.batch_size}: {record['reasons'].get('depth_scale', 'λ_G is 0')}"
        )
    return Stretch(
        first,
        last,
        f"Linear → BatchNorm (ε {one.eps:g}) → {one.activation.label}, batch size {one.batch_size}, width {width}, "
        f"σ_w {sigma_w:.3g}",
        np.full(len(steps), math.log(record["backward"]["G"])),
        finite_width_allowance(one.batch_size, width),
        record["q_star"],
        record["c_star"],
    )


def _residual_stretch(first: int, last: int, steps: Sequence[_ResidualStep]) -> Stretch:
    one = steps[0]
    if one.p is None or one.cosine is None:
        raise InputError("residual blocks whose input is no layer's output: its length is not known")
    laws: dict[str, float] = {}
    for name in "wbva":
        sigma, beta = _law(name, [step.variances[name] for step in steps])
        laws |= {f"sigma_{name}": sigma, f"beta_{name}": beta}
    trace = residual_recurrence(
        one.activation, len(steps), p0=one.p, gamma0=min(max(one.cosine, -1.0), 1.0) * one.p, widths=None, **laws
    )
    words = ", ".join(
        f"σ_{n} {laws[f'sigma_{n}']:.3g}" + (f" β_{n} {laws[f'beta_{n}']:.3g}" if laws[f"beta_{n}"] else "")
        for n in "wbva"
    )
    return Stretch(
        first, last, f"residual blocks of {one.activation.label}, width {one.width}, {words}", trace.log_growth[1:]
    )


def _law(name: str, samples: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """(σ, β) of V_l = σ²·l^(−β), β = 0 where that fits.

    Raises:
        InputError: no such law fits the layers' variances within their sampling errors.
    """
    variances = np.array([value for value, _ in samples])
    if not variances.any():
        return 0.0, 0.0
    if variances.all():
        # the mean square of n entries has a relative standard error of √(2/n) (Gaussian; less for bounded ones)
        tolerance = SIGMAS * np.sqrt(2 / np.array([count for _, count in samples]))
        log, log_layer = np.log(variances), np.log(np.arange(1, len(variances) + 1))
        mean = math.log(float(variances.mean()))
        if np.all(np.abs(log - mean) < tolerance):
            return math.exp(mean / 2), 0.0
        slope, intercept = np.polyfit(log_layer, log, 1, w=1 / tolerance)
        if np.all(np.abs(log - intercept - slope * log_layer) < tolerance):
            return math.exp(float(intercept) / 2), -float(slope)
    raise InputError(f"the variances of {name} in the residual blocks follow no law σ²·l^(−β)")
