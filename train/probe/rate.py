"""The gradient explosion rate from the gradient norms of successive layers, with its interval, and the depth scale.

From layer to layer the logarithm of the squared gradient norm is a random walk with drift: the ratio r of neighbours
scatters about ln λ_G↓ because widths are finite, nearly independently. A regression of the walk on the layer would
take its own meandering for precision; the efficient estimate of a drift is the mean of the steps. Its error is the
*long-run* variance of the steps, which counts correlations between layers too. It is estimated by the lowest
ν = 0.4·T^(2/3) cosine coefficients of T steps (equal-weighted cosine estimator), for which Student's t with ν degrees
of freedom is the right reference (Lazarus, Lewis, Stock and Watson 2018, J. Bus. Econ. Stat. 36).

The ends of a network are no part of the walk: the first layer sees the data, the last the read-out, and the signal
takes a few layers to its fixed point. A tenth of the steps is left out at either end, and at least one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from phasemap.theory.batchnorm.gradient_explosion import DepthScale
from phasemap.train.probe.theories.stretch import trimmed

LEVEL = 0.95
FEWEST = 4  # steps after trimming that an interval needs


@dataclass(frozen=True)
class Rate:
    """The growth of ‖gradient‖² per layer towards the input.

    Attributes:
        log_rate: ln λ_G↓, the mean over ``steps`` steps; its 95 % half-width for networks of these widths is
            ``half_width`` (None for fewer than FEWEST steps), with ``degrees`` degrees of freedom.
        allowance: what finite width may add to ln λ_G↓; 0 where that is not known. ``interval`` holds it too.
    """

    log_rate: float
    half_width: float | None
    steps: int
    degrees: int
    allowance: float = 0.0

    @property
    def depth_scale(self) -> DepthScale:
        """ξ and the regime of the estimate."""
        return DepthScale.of(math.exp(self.log_rate))

    def interval(self, allowance: float | None = None) -> tuple[float, float] | None:
        """Of ln λ_G↓, with the allowance for finite width, or another one."""
        if self.half_width is None:
            return None
        half = self.half_width + (self.allowance if allowance is None else allowance)
        return self.log_rate - half, self.log_rate + half

    def depth_scale_interval(self) -> tuple[float, float] | None:
        """Of ξ: without upper bound (∞) where the interval of the rate holds 1."""
        ends = self.interval()
        if ends is None:
            return None
        sizes = sorted(abs(end) for end in ends)
        return 1 / sizes[1] if sizes[1] else math.inf, math.inf if ends[0] <= 0 <= ends[1] else 1 / sizes[0]

    @property
    def regime(self) -> str:
        """``exploding`` or ``vanishing``; ``undecided`` without an interval, or where it holds 1."""
        ends = self.interval()
        if ends is None or ends[0] <= 0 <= ends[1]:
            return "undecided"
        return "exploding" if self.log_rate > 0 else "vanishing"


def explosion_rate(
    steps: Float[np.ndarray, " steps"],
    *,
    predicted: Float[np.ndarray, " steps"] | None = None,
    allowance: float = 0.0,
) -> Rate | None:
    """The rate of successive ln(‖∂L/∂h_l‖²/‖∂L/∂h_(l+1)‖²), from the input to the output, ends included.

    With a prediction for every step the interval is that of the deviation from it: where the predicted growth changes
    from layer to layer (residual networks), the change is then no scatter.

    Returns:
        None without two steps, or where a gradient is zero or not finite.
    """
    used = trimmed(len(steps))
    r = steps[used] if predicted is None else (steps - predicted)[used]
    if len(steps) < 2 or not np.isfinite(r).all():
        return None
    count, mean = len(r), float(np.mean(steps[used]))
    degrees = max(1, int(0.4 * count ** (2 / 3)))
    if count < FEWEST:
        return Rate(mean, None, count, degrees, allowance)
    half = float(stats.t.ppf((1 + LEVEL) / 2, degrees)) * math.sqrt(long_run_variance(r, degrees) / count)
    return Rate(mean, half, count, degrees, allowance)


def long_run_variance(r: Float[np.ndarray, " steps"], coefficients: int) -> float:
    """Σ over all lags of the autocovariance of ``r``: the mean square of its lowest cosine coefficients but the 0th."""
    place = (np.arange(len(r)) + 0.5) / len(r)
    cosines = math.sqrt(2 / len(r)) * np.cos(np.pi * np.arange(1, coefficients + 1)[:, None] * place)
    return float(np.mean((cosines @ r) ** 2))
