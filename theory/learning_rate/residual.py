"""The largest learning rates of plain SGD on a residual network, from its recurrence: no training, nothing fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError
from phasemap.theory.learning_rate.first_steps import Chain, diverging_epsilon, sliced
from phasemap.theory.learning_rate.gauss_newton import uniform_eigenvalue
from phasemap.theory.learning_rate.residual_kernel import residual_kernel
from phasemap.theory.residual.trace import ResidualTrace


@dataclass(frozen=True)
class LargestLearningRate:
    """Learning rates at which SGD on cross entropy stops to work.

    Attributes:
        diverges: the learning rate above which the first steps of half of all random networks blow up; infinite where
            they do not. low, high: the same for 10 % and 90 % of them.
        unit: √(N·p)/Θ, the learning rate at which a step moves the last activation by its own length.
        curvature: 2/λ_max of the Fisher information at uniform predictions (Karakida et al. 2019): where gradient
            descent on the quadratic approximation stops to be stable.
    """

    diverges: float
    low: float
    high: float
    unit: float
    curvature: float


def largest_learning_rate(
    trace: ResidualTrace,
    activation: Activation,
    *,
    width: int,
    inputs: int,
    classes: int = 10,
    batch_size: int = 32,
    networks: int = 32,
    seed: int = 0,
) -> LargestLearningRate:
    """The two limits for residual networks of constant width, standard parametrisation.

    Args:
        trace: of one network, its p0 and gamma0 those of the data. activation: φ. width: N.
        inputs: numbers in a sample. classes: logits. batch_size: samples in a step.
        networks, seed: random networks in which the first steps are followed (``theory.learning_rate.first_steps``).

    Raises:
        InputError: as ``residual_kernel``; fewer than two classes; inputs whose gradients have a negative product.
    """
    if min(classes, batch_size + 1, networks + 1) < 2:
        raise InputError(
            f"classes {classes}, batch_size {batch_size}, networks {networks}: expected at least 2 classes, 1 of the rest"
        )
    kernel = residual_kernel(trace, activation, width=width, inputs=inputs)
    total = float(kernel.pair[:-1].sum())
    if np.any(kernel.pair < 0):
        raise InputError(f"gamma0 {trace.gamma[0]:g}: two inputs' gradients have a negative product; expected gamma0 >= 0")
    length = float(np.sqrt(width * trace.p[-1]))
    chain = Chain(sliced(kernel.pair[:-1]), float(kernel.pair[-1]) / total, length, width, classes, batch_size)
    low, middle, high = (diverging_epsilon(chain, share, networks=networks, seed=seed) for share in (0.1, 0.5, 0.9))
    unit = length / total
    own, pair = float(kernel.own.sum()), float(kernel.pair.sum())
    return LargestLearningRate(
        diverges=middle * unit,
        low=low * unit,
        high=high * unit,
        unit=unit,
        curvature=2 / uniform_eigenvalue(own, pair, batch_size, classes),
    )
