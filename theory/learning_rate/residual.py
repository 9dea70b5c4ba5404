"""The largest learning rates of plain SGD with cross entropy on a residual network, from its recurrence.

Two limits. Where the quadratic approximation at initialisation becomes unstable, lr·λ_max = 2 (Karakida et al. 2019);
cross entropy's gradient is bounded, so that networks train beyond it. And where the weights leave for good: a step
changes the logits by lr·Θ·|r|, |r| ≈ 1 the residual softmax − label and Θ the tangent kernel of two inputs. The largest
logits that an activation of length √(N·p) can have, along a read-out vector of length 1, are √(N·p). Once a step makes
larger ones, it changes the layers by more than their own size, Θ and the next step grow with them, and the steps
diverge. So they do from

    lr·Θ = ε·√(N·p)

on, with an ε of order 1 that hardly depends on anything but φ. Θ is about N·L·p, which gives lr ~ 1/(L·√(N·p)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError
from phasemap.theory.learning_rate.gauss_newton import uniform_eigenvalue
from phasemap.theory.learning_rate.residual_kernel import residual_kernel
from phasemap.theory.residual.trace import ResidualTrace

STEP_LENGTHS = {"relu": (4.6, 3.4, 6.4), "tanh": (6.2, 5.1, 8.3)}
"""ε by activation: geometric mean, least and largest of networks, measured (docs/learning-rate.md)."""


@dataclass(frozen=True)
class LargestLearningRate:
    """Learning rates at which SGD on cross entropy stops to work.

    Attributes:
        unit: √(N·p)/Θ, the learning rate at ε = 1, in which nothing is measured.
        diverges: the learning rate from which on networks diverge. low, high: with the least and the largest ε. NaN
            for an activation whose ε was not measured.
        curvature: 2/λ_max of the Fisher information at uniform predictions.
    """

    unit: float
    diverges: float
    low: float
    high: float
    curvature: float


def largest_learning_rate(
    trace: ResidualTrace, activation: Activation, *, width: int, inputs: int, classes: int = 10, batch_size: int = 32
) -> LargestLearningRate:
    """Both limits for networks of constant width in the standard parametrisation, weights N(0, σ²/fan_in).

    Args:
        trace: of one network, its p0 and gamma0 those of the data. activation: φ, the one of ``trace``.
        width: N. inputs: numbers in a sample.
        classes, batch_size: logits, and samples in a step; only ``curvature`` depends on them.

    Raises:
        InputError: as ``residual_kernel``; fewer than two classes; a gamma0 so negative that Θ is.
    """
    if classes < 2 or batch_size < 1:
        raise InputError(f"classes {classes}, batch_size {batch_size}: expected at least 2 classes and 1 sample")
    kernel = residual_kernel(trace, activation, width=width, inputs=inputs)
    own, pair = float(kernel.own.sum()), float(kernel.pair.sum())
    if pair <= 0:
        raise InputError(
            f"gamma0 {trace.gamma[0]:g}: the gradients of two inputs have a negative product; expected more"
        )
    unit = float(np.sqrt(width * trace.p[-1])) / pair
    middle, low, high = STEP_LENGTHS.get(activation.label, (np.nan, np.nan, np.nan))
    curvature = 2 / uniform_eigenvalue(own, pair, batch_size, classes)
    return LargestLearningRate(unit, middle * unit, low * unit, high * unit, curvature)
