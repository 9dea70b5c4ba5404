"""Steps of batch normalisation: Linear → BatchNorm1d with batch statistics → φ → Linear (Yang et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError
from phasemap.train.probe.autograd.chains import Point, between, fan_in_variance
from phasemap.train.probe.autograd.forward import Call, Node
from phasemap.train.probe.theories.activations import named_activation
from phasemap.train.probe.theories.stretch import SIGMAS, Stretch, Surroundings

UNIFORM = 1e-6  # largest relative spread of γ and β over units that still counts as one value
NO_NORM = "no batch normalisation between Linear layers"
SAME = 0.05  # difference of ln σ_w² up to which two layers' weights count as drawn from one law, however many


def finite_width_allowance(batch_size: int, width: int) -> float:
    """A bound on |measured − theory| of ln λ_G↓ at finite width, O(1/N): an envelope of sampled random networks.

    ln λ_G↓ of networks of width N misses that of infinite width by an amount of either sign that depends on φ and B.
    docs/probe.md has the table that the envelope was drawn over (six activations, B from 8 to 128, N from 192 to 768);
    a test samples networks again.
    """
    return (3 + batch_size / 12) / (width + 2 * batch_size)


def one_law(variance: float, weights: int, other_variance: float, other_weights: int) -> bool:
    """Whether two matrices of so many entries have one σ_w², within the sampling error of its logarithm."""
    chance = math.sqrt(2 / weights + 2 / other_weights)
    return abs(math.log(other_variance / variance)) < max(SAME, SIGMAS * chance)


@dataclass(frozen=True)
class NormalisedLayer:
    """BatchNorm1d → φ → Linear. ``weights``: entries of the matrix that σ_w was read from."""

    activation: Activation
    gamma: float
    beta: float
    eps: float
    batch_size: int
    sigma_w: float
    weights: int
    width: int

    def like(self, other: NormalisedLayer) -> bool:
        """Whether one law describes both, within the sampling error of the weights."""
        mine = (self.activation.label, self.gamma, self.beta, self.eps, self.batch_size)
        if mine != (other.activation.label, other.gamma, other.beta, other.eps, other.batch_size):
            return False
        return one_law(self.sigma_w**2, self.weights, other.sigma_w**2, other.weights)


def normalised_layer(linear: Call, end: Node, around: Surroundings) -> NormalisedLayer | str:
    """The layer from node ``end`` to the output of ``linear``; a sentence if it is none."""
    matrix = linear.module
    if not isinstance(matrix, nn.Linear):
        return f"{linear.kind}: the theory here is of Linear layers"
    nodes = between(around.graph, linear.inputs, end)
    if nodes is None:
        return "the path between two Linear layers branches"
    if not nodes:
        return "Linear layers without batch normalisation or activation between"
    norm = around.norms.get(nodes[-1])
    if norm is None:
        return NO_NORM
    if not isinstance(norm.module, nn.BatchNorm1d) or len(norm.shape) != 2:
        return f"{norm.kind} on {len(norm.shape)}-dimensional activations: the theory here is of BatchNorm1d on [B, N]"
    module = norm.module
    if not (module.training or module.running_mean is None):
        return "batch normalisation by running statistics: the theory is of batch statistics"
    gamma, beta = (uniform(p, default) for p, default in ((module.weight, 1.0), (module.bias, 0.0)))
    if gamma is None or beta is None:
        return "γ or β of batch normalisation differ from unit to unit"
    phi = named_activation(nodes[:-1], scale=gamma, shift=beta)
    if isinstance(phi, str):
        return phi
    sigma_w = math.sqrt(fan_in_variance(matrix))
    if sigma_w == 0:
        return "a Linear layer's weights are all zero"
    return NormalisedLayer(
        phi, gamma, beta, float(module.eps), norm.shape[0], sigma_w, matrix.weight.numel(), norm.shape[1]
    )


def uniform(parameter: Any, default: float) -> float | None:
    """The value that all entries have, or None."""
    if parameter is None:
        return default
    low, high = float(parameter.detach().min()), float(parameter.detach().max())
    return low if high - low <= UNIFORM * max(abs(low), abs(high)) else None


def mean_sigma_w(layers: Sequence[NormalisedLayer]) -> float:
    """Of layers of one law."""
    return math.sqrt(float(np.mean([layer.sigma_w**2 for layer in layers])))


@dataclass(frozen=True)
class BatchNormStep:
    """From one Linear to the next."""

    layer: NormalisedLayer

    def continues_with(self, other: Any) -> bool:
        """Whether the same law goes on."""
        return isinstance(other, BatchNormStep) and self.layer.like(other.layer)

    @staticmethod
    def stretch(first: int, steps: Sequence[BatchNormStep]) -> Stretch:
        """λ_G↓ for each. Raises InputError if the theory has none."""
        one = steps[0].layer
        sigma_w = mean_sigma_w([step.layer for step in steps])
        width = min(step.layer.width for step in steps)
        record = batchnorm_record(one.activation, one.batch_size, eps=one.eps, sigma_w=sigma_w, look_beyond=True)
        broken = record["broken_symmetry"]
        if record["depth_scale"] is None or not record["rate"]:
            reason = record["reasons"].get("depth_scale", "λ_G is 0")
            raise InputError(f"{one.activation.label}, batch size {one.batch_size}: {reason}")
        return Stretch(
            first,
            first + len(steps) - 1,
            f"Linear → BatchNorm (ε {one.eps:g}) → {one.activation.label}, batch size {one.batch_size}, "
            f"width {width}, σ_w {sigma_w:.3g}" + (f", at {record['fixed_point']}" if broken else ""),
            np.full(len(steps), math.log(record["rate"])),
            finite_width_allowance(one.batch_size, width) + (broken["error"] / broken["rate"] if broken else 0.0),
            *((None, None) if broken else (record["q_star"], record["c_star"])),
        )


def batchnorm_step(below: Point, above: Point, around: Surroundings) -> BatchNormStep | str:
    """The step between the outputs of two layers; a sentence if it is none."""
    if not below.is_layer:
        return "between a block and a single layer"
    if not isinstance(below.layers[0].module, nn.Linear):
        return f"{below.layers[0].kind}: the theory here is of Linear layers"
    layer = normalised_layer(above.layers[0], below.node, around)
    return layer if isinstance(layer, str) else BatchNormStep(layer)
