"""The rate λ_G↓ at which squared gradients grow towards the input of a deep BN network, and its depth scale ξ.

Sources: Thms 3.9 and 3.10, Yang et al. 2019; ε > 0 is derived in docs/epsilon.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation, as_activation
from phasemap.theory.arguments.arrays import numbers, takes_arrays
from phasemap.theory.batchnorm import closed_forms as laplace
from phasemap.theory.batchnorm.eigenvalues import backward
from phasemap.theory.batchnorm.fixed_point import FixedPoint, collapsed_rate, fixed_point, slopes_at_zero
from phasemap.theory.batchnorm.moments.table import choose_method
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous
from phasemap.theory.ranges import RANGES, check, wrong

LARGEST = RANGES["batch_size"].most
ROUNDING = 1e-14  # relative error allowed for rounding in every reported number


@dataclass(frozen=True)
class DepthScale:
    """How fast gradients grow towards the input.

    Attributes:
        rate: λ_G↓, the factor on the squared gradient norm per layer (infinite at B = 3, ε = 0).
        xi: 1/|ln rate|, the depth in layers over which it changes by e; infinite when critical, 0 for rate 0 or ∞.
        regime: ``exploding`` (rate > 1), ``critical`` (= 1) or ``vanishing`` (< 1).
        error: estimated absolute error of xi.
    """

    rate: float
    xi: float
    regime: str
    error: float = 0.0

    def __repr__(self) -> str:
        return f"DepthScale(ξ {self.xi:.5g} layers, rate {self.rate:.5g}, {self.regime})"

    @staticmethod
    def of(rate: float, error: float = 0.0) -> DepthScale:
        """From a rate and its absolute error; critical if the rate is 1 within an error that is small."""
        if rate == 0 or np.isinf(rate):
            return DepthScale(rate, 0.0, "vanishing" if rate == 0 else "exploding", 0.0)
        if abs(rate - 1) <= error < 1e-6:
            return DepthScale(rate, float("inf"), "critical", float("inf"))
        log = float(np.log1p(rate - 1) if abs(rate - 1) < 0.5 else np.log(rate))
        regime = "exploding" if rate > 1 else "vanishing"
        return DepthScale(rate, 1 / abs(log), regime, error / rate / log**2)


def check_batch_size(batch_size: Any) -> None:
    """Raises InputError for batch sizes for which the theory does not exist, naming the reason."""
    if batch_size == 1:
        raise InputError("--batch-size 1: the variance of a single sample is 0, so batch normalisation is not defined")
    if batch_size == 2:
        raise InputError(
            "--batch-size 2: BN maps two samples to +1 and −1 whatever they are, so the gradient is 0 and there is no"
            " depth scale; expected at least 3"
        )
    check(batch_size=batch_size)


def check_scales(eps: float, sigma_w: float, sigma_b: float = 0.0) -> None:
    """Raises InputError unless ε, σ_w and σ_b are within their ranges and σ_w > 0."""
    problems = wrong("eps", eps, "--eps")
    if not sigma_w > 0:
        problems.append(f"--sigma-w {sigma_w}: expected a finite number above 0")
    else:
        problems += wrong("sigma_w", sigma_w, "--sigma-w")
    problems += wrong("sigma_b", sigma_b, "--sigma-b")
    if problems:
        raise InputError(*problems)


@takes_arrays
def depth_scale(activation: Activation, batch_size: int, *, eps: float = 0.0, sigma_w: float = 1.0) -> DepthScale:
    """λ_G↓, ξ and the regime of one activation at one batch size, at BSB1 whether or not it attracts.

    Args:
        activation: a name, or φ with γ and β of BN bound (``phasemap.theory.activations.activation``); of arrays of
            names or numbers, which broadcast, the answer is a record array with the same fields.
        batch_size: samples per BN statistic, at least 3 (at 3 with ε = 0 the rate is infinite).
        eps: ε of BN. sigma_w: matters only for ε > 0.

    Raises:
        InputError: a batch size or scale for which there is no answer, φ constant or φ′ not square-integrable.
    """
    check_batch_size(batch_size)
    check_scales(eps, sigma_w)
    rate, error, reason = explosion_rate(activation, batch_size, eps, sigma_w, "auto")
    if rate is None:
        raise InputError(f"{activation.label}, batch size {batch_size}: {reason}")
    return DepthScale.of(rate, error)


def depth_scales(
    activation: Any, batch_sizes: Any, *, eps: Any = 0.0, sigma_w: Any = 1.0
) -> Float[np.ndarray, "*grid"]:
    """ξ at many batch sizes; closed forms are evaluated at once. Raises as ``depth_scale``."""
    sizes = numbers("batch_sizes", batch_sizes)
    phi = homogeneous(as_activation(activation)) if np.ndim(eps) == np.ndim(activation) == 0 and eps == 0 else None
    if phi is not None and phi.alpha > 0.5 and np.all((sizes >= 4) & (sizes <= LARGEST) & (sizes == np.floor(sizes))):
        return (1 / np.log1p(laplace.explosion_excess(phi, sizes.ravel()))).reshape(sizes.shape)
    return np.asarray(depth_scale(activation, sizes, eps=eps, sigma_w=sigma_w).xi)


def gradient_explosion_rate(activation: Any, batch_size: Any, *, eps: Any = 0.0, sigma_w: Any = 1.0) -> Any:
    """λ_G↓, the factor on E‖dLoss/dh‖² per layer towards the input (Thms 3.9, 3.10). Arguments as ``depth_scale``."""
    return depth_scale(activation, batch_size, eps=eps, sigma_w=sigma_w).rate


def explosion_rate(
    activation: Activation, batch_size: int, eps: float, sigma_w: float, method: str
) -> tuple[float | None, float, str]:
    """λ_G↓ with its absolute error, or None and the reason why it does not exist."""
    phi = homogeneous(activation)
    if batch_size == 3 and eps == 0:
        return None, 0.0, "the squared gradient has no mean at batch size 3 with eps 0 (E 1/ρ² diverges)"
    if phi is not None and phi.alpha <= 0.5:
        return None, 0.0, "E φ′² diverges (degree at most 1/2), so the mean squared gradient does not exist"
    if phi is not None and phi.a == phi.b == 0:
        return None, 0.0, "φ is constant"
    if phi is not None and eps == 0 and method in ("auto", "laplace"):
        rate = 1 + float(laplace.explosion_excess(phi, np.array([float(batch_size)]))[0])
        return rate, ROUNDING * rate if not phi.is_linear else 4e-16 * rate, ""
    numerical = choose_method(activation, batch_size) if method == "auto" else method
    fine, coarse = fixed_point(activation, batch_size, eps, sigma_w, numerical)
    return _rate(activation, batch_size, eps, sigma_w, fine, coarse)


def _rate(
    activation: Activation, batch_size: int, eps: float, sigma_w: float, fine: FixedPoint, coarse: FixedPoint
) -> tuple[float | None, float, str]:
    if fine.mu == 0:
        if eps == 0 or (slopes_at_zero(activation) == (0.0, 0.0) and constant(activation, batch_size)):
            return None, 0.0, "φ is constant on the values that BN can produce, so all samples become equal"
        rate = collapsed_rate(activation, batch_size, eps, sigma_w)
        if not np.isfinite(rate):
            return None, 0.0, "φ′(0) is infinite"
        return rate, ROUNDING * rate, ""
    assert fine.moments is not None
    assert fine.weights is not None
    rate = backward(fine.moments, fine.weights, batch_size, sigma_w).G
    if not np.isfinite(rate):
        return None, 0.0, "E φ′² diverges, so the mean squared gradient does not exist"
    error = ROUNDING * rate
    if coarse.moments is not None and coarse.weights is not None:
        error += 2 * abs(rate - backward(coarse.moments, coarse.weights, batch_size, sigma_w).G)
    return rate, error, ""


def constant(activation: Activation, batch_size: int) -> bool:
    """Whether φ takes one value on everything that BN can produce, [−√(B−1), √(B−1)]."""
    z = np.sqrt(batch_size - 1) * np.linspace(-1, 1, 1001)
    return bool(np.ptp(activation.phi(z)) == 0)
