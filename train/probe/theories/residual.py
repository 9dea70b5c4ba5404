"""Residual blocks x + v·φ(w·x + b) + a of one width, with variances σ²·l^(−β) (Yang & Schoenholz 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.train.probe.autograd.chains import Point, between, fan_in_variance, is_sum, mean_square
from phasemap.train.probe.theories.activations import named_activation
from phasemap.train.probe.theories.stretch import SIGMAS, Stretch, Surroundings

DIFFERENT = "blocks of another form than x + v·φ(w·x + b) + a"


@dataclass(frozen=True)
class ResidualBlock:
    """One block.

    Attributes:
        variances: of w, b, v, a: the measured V and the number of entries.
        p, cosine: of the block's input, where it is the output of a layer.
    """

    activation: Activation
    variances: dict[str, tuple[float, int]]
    p: float | None
    cosine: float | None
    width: int

    def continues_with(self, other: Any) -> bool:
        """Whether φ and the width are the same; the variances may change."""
        return isinstance(other, ResidualBlock) and (self.activation.label, self.width) == (
            other.activation.label,
            other.width,
        )

    @staticmethod
    def stretch(first: int, steps: Sequence[ResidualBlock]) -> Stretch:
        """By the recurrence. Raises InputError if the variances follow no law, or the first input is not known."""
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
        setting = f"residual blocks of {one.activation.label}, width {one.width}, {words}"
        return Stretch(first, first + len(steps) - 1, setting, trace.log_growth[1:])


def residual_block(below: Point, above: Point, around: Surroundings) -> ResidualBlock | str:
    """The block between two points; a sentence if it is none."""
    if len(above.layers) != 2:
        return DIFFERENT
    inner, outer = above.layers
    w, v = inner.module, outer.module
    if not (isinstance(w, nn.Linear) and isinstance(v, nn.Linear) and is_sum(below, above, around.graph)):
        return DIFFERENT
    if inner.place is None:
        return DIFFERENT
    nodes = between(around.graph, outer.inputs, inner.place[0])
    if nodes is None or inner.inputs is None or inner.inputs[0] is not below.node:
        return DIFFERENT
    phi = named_activation(nodes)
    if isinstance(phi, str):
        return phi
    return ResidualBlock(
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
