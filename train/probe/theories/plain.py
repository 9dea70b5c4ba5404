"""Steps of plain networks: Linear → φ → Linear, or Linear → LayerNorm → φ → Linear (Schoenholz et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.length_moments import length_moments
from phasemap.theory.mlp.setting import Setting
from phasemap.train.probe.autograd.chains import Point, between, fan_in_variance, mean_square
from phasemap.train.probe.theories.activations import named_activation
from phasemap.train.probe.theories.batchnorm import one_law, uniform
from phasemap.train.probe.theories.stretch import Stretch, Surroundings


@dataclass(frozen=True)
class PlainStep:
    """From one Linear to the next.

    Attributes:
        activation: φ, with γ and β of layer normalisation. eps: of it; None without.
        weight, bias: σ_w² and σ_b² of the upper Linear. weights: entries of its matrix.
        q: mean square of the lower one's output; None if it is not known.
    """

    activation: Activation
    eps: float | None
    weight: float
    weights: int
    bias: float
    q: float | None
    width: int

    def continues_with(self, other: Any) -> bool:
        """Whether φ and the normalisation are the same, and σ_w within its sampling error."""
        if not isinstance(other, PlainStep):
            return False
        same = (self.activation.label, self.eps) == (other.activation.label, other.eps)
        return same and one_law(self.weight, self.weights, other.weight, other.weights)

    @staticmethod
    def stretch(first: int, steps: Sequence[PlainStep]) -> Stretch:
        """χ₁ of each layer at its length, which follows the length map from the first. Raises InputError where a
        length or a gradient does not exist."""
        one = steps[0]
        if not one.q:
            raise InputError("Linear → φ: the length of the first pre-activation is 0 or not known")
        norm, eps = ("none", 0.0) if one.eps is None else ("layer", one.eps)
        q, rates = np.array([one.q]), []
        for step in steps:
            setting = Setting.of(math.sqrt(step.weight), math.sqrt(step.bias), norm=norm, eps=eps)
            moments = length_moments(step.activation, setting.seen(q))
            rates.append(float((setting.weight * setting.factor(q) * moments.slopes)[0]))
            q = setting.next_length(moments)
            if not (0 < q[0] < np.inf and 0 < rates[-1] < np.inf):
                raise InputError(f"Linear → {one.activation.label}: lengths or gradients vanish or grow without bound")
        sigma_w, sigma_b = (math.sqrt(np.mean([getattr(step, name) for step in steps])) for name in ("weight", "bias"))
        width = min(step.width for step in steps)
        normalised = "" if one.eps is None else f"LayerNorm (ε {one.eps:g}) → "
        setting_in_words = (
            f"Linear → {normalised}{one.activation.label}, width {width}, σ_w {sigma_w:.3g}, σ_b {sigma_b:.3g}"
        )
        return Stretch(first, first + len(steps) - 1, setting_in_words, np.log(rates))


def plain_step(below: Point, above: Point, around: Surroundings) -> PlainStep | str:
    """The step between the outputs of two layers; a sentence if it is none."""
    upper = above.layers[0]
    matrix = upper.module
    if not isinstance(matrix, nn.Linear):
        return f"{upper.kind}: the theory here is of Linear layers"
    nodes = between(around.graph, upper.inputs, below.node)
    if not nodes:
        return "Linear layers without normalisation or activation between"
    eps, scale, shift = None, 1.0, 0.0
    norm = around.norms.get(nodes[-1])
    if norm is not None:
        module = norm.module
        if not isinstance(module, nn.LayerNorm) or len(norm.shape) != 2 or len(module.normalized_shape) != 1:
            return (
                f"{norm.kind} on {len(norm.shape)}-dimensional activations: the theory here is of LayerNorm on [B, N]"
            )
        gamma, beta = uniform(module.weight, 1.0), uniform(module.bias, 0.0)
        if gamma is None or beta is None:
            return "γ or β of layer normalisation differ from unit to unit"
        nodes, eps, scale, shift = nodes[:-1], float(module.eps), gamma, beta
    phi = named_activation(nodes, scale=scale, shift=shift)
    if isinstance(phi, str):
        return phi
    weight = fan_in_variance(matrix)
    if weight == 0:
        return "a Linear layer's weights are all zero"
    entries, bias = matrix.weight.numel(), mean_square(matrix.bias)
    return PlainStep(phi, eps, weight, entries, bias, below.moments.mean_square, matrix.in_features)
