"""The tangent kernel of deep BN networks at the BSB1 fixed point, and the learning rate that its curvature allows.

Layers h ↦ W·φ(BN(h)), a linear read-out N(0, 1/N), a mini-batch of B. Along a unit vector u of centred outputs of the
batch, the squared gradient of u·f by W^l is N·(μ*/σ_w²)·tr Π^l (App. L of Yang et al. 2019), with tr Π^L = λ_G↓/σ_w²
below the read-out and a factor λ_G↓ for each layer below. So all centred directions have, on average,

    uᵀΘu = N·(μ*/σ_w²)·(1 + (λ_G↓ + λ_G↓² + … + λ_G↓^L)/σ_w²),

the inputs taken as those of a hidden layer. The gradient's second moment only is known, not how it is spread over the
directions: λ_max(Θ) is no less than this mean.
"""

from __future__ import annotations

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.fixed_point import fixed_point
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.batchnorm.moments.table import choose_method
from phasemap.theory.errors import InputError


def mean_kernel(
    activation: Activation, batch_size: int, depth: int, width: int, *, eps: float = 0.0, sigma_w: float = 1.0
) -> float:
    """uᵀΘu for one output, all weights but not γ and β, over centred unit vectors u.

    Raises:
        InputError: as ``depth_scale``; depth or width below 1; the samples of a batch become equal (μ* = 0).
    """
    if depth < 1 or width < 1:
        raise InputError(f"depth {depth}, width {width}: expected at least 1 of each")
    rate = depth_scale(activation, batch_size, eps=eps, sigma_w=sigma_w).rate
    mu = fixed_point(activation, batch_size, eps, sigma_w, choose_method(activation, batch_size))[0].mu
    if mu == 0:
        raise InputError(f"{activation.label}, eps {eps:g}: the samples of a batch become equal, and the kernel is 0")
    with np.errstate(over="ignore"):
        growth = float(np.sum(rate ** np.arange(1.0, depth + 1)))
    return width * mu / sigma_w**2 * (1 + growth / sigma_w**2)


def curvature_limit(
    activation: Activation,
    batch_size: int,
    depth: int,
    width: int,
    *,
    classes: int = 10,
    eps: float = 0.0,
    sigma_w: float = 1.0,
) -> float:
    """2/λ with λ = uᵀΘu/(B·K): no larger learning rate keeps gradient descent on the quadratic approximation stable.

    Uniform predictions, as ``theory.learning_rate.gauss_newton.uniform_eigenvalue``. Raises as ``mean_kernel``.
    """
    return 2 * batch_size * classes / mean_kernel(activation, batch_size, depth, width, eps=eps, sigma_w=sigma_w)
