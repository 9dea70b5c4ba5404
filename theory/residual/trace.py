"""What the residual recurrence returns: every mean field quantity over the layers, in floats and in logarithms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.residual.widths import Widths

PARAMETERS = ("w", "v", "a", "b", "pi")
LOG_2 = float(np.log(2.0))


@dataclass(frozen=True)
class ResidualTrace:
    """Mean field quantities of residual networks over l = 0, …, depth; every array has shape [*grid, depth + 1].

    Forward (Thm C.2): ``p`` = ⟨x²⟩, ``gamma`` = ⟨x·x′⟩/N, ``s`` = p − γ, ``e`` = γ/p; ``q`` = ⟨h²⟩,
    ``lambda_`` = ⟨h·h′⟩/M, ``c`` = λ/q (NaN at l = 0, which has no h). Backward (Thm C.3), normalised to
    χ^(depth) = 1: ``chi``, and ``chi_w``, ``chi_v``, ``chi_a``, ``chi_b``, ``chi_pi``, mean squares of the gradient by
    one activation or one parameter (NaN at l = 0, and χ_π wherever there is no projection). p, q, s and every χ have
    their logarithms, ``log_p`` and so on, which hold where the float overflows to inf.

    The stored forward arrays are mantissas in units of 2^exponent.
    """

    depth: int
    widths: Widths | None
    projection: Bool[np.ndarray, " depth"]
    sigma_pi: float
    variance_w: Float[np.ndarray, "*grid layers"]
    variance_v: Float[np.ndarray, "*grid layers"]
    exponent: Int[np.ndarray, "*grid layers"]
    p_mantissa: Float[np.ndarray, "*grid layers"]
    q_mantissa: Float[np.ndarray, "*grid layers"]
    s_mantissa: Float[np.ndarray, "*grid layers"]
    t_mantissa: Float[np.ndarray, "*grid layers"]
    gamma_mantissa: Float[np.ndarray, "*grid layers"]
    lambda_mantissa: Float[np.ndarray, "*grid layers"]
    v_phi_mantissa: Float[np.ndarray, "*grid layers"]
    v_derivative: Float[np.ndarray, "*grid layers"]

    def __repr__(self) -> str:
        grid = self.exponent.shape[:-1]
        return f"ResidualTrace(depth {self.depth}" + (f", grid {' × '.join(map(str, grid))})" if grid else ")")

    def _plain(self, mantissa: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.ldexp(mantissa, self.exponent)

    def _log(self, mantissa: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(mantissa) + LOG_2 * self.exponent

    @property
    def p(self) -> Array:
        return self._plain(self.p_mantissa)

    @property
    def q(self) -> Array:
        return self._plain(self.q_mantissa)

    @property
    def s(self) -> Array:
        return self._plain(self.s_mantissa)

    @property
    def gamma(self) -> Array:
        return self._plain(self.gamma_mantissa)

    @property
    def lambda_(self) -> Array:
        return self._plain(self.lambda_mantissa)

    @property
    def log_p(self) -> Array:
        return self._log(self.p_mantissa)

    @property
    def log_q(self) -> Array:
        return self._log(self.q_mantissa)

    @property
    def log_s(self) -> Array:
        """−inf where the inputs coincide (s = 0)."""
        return self._log(self.s_mantissa)

    @property
    def log_gamma(self) -> Array:
        """NaN where γ < 0."""
        return self._log(self.gamma_mantissa)

    @property
    def log_lambda(self) -> Array:
        """NaN where λ < 0."""
        return self._log(self.lambda_mantissa)

    @property
    def e(self) -> Array:
        with np.errstate(invalid="ignore"):
            return self.gamma_mantissa / self.p_mantissa

    @property
    def c(self) -> Array:
        with np.errstate(invalid="ignore"):
            return self.lambda_mantissa / self.q_mantissa

    @property
    def one_minus_e(self) -> Array:
        """s/p, to full relative precision."""
        with np.errstate(invalid="ignore"):
            return self.s_mantissa / self.p_mantissa

    @cached_property
    def log_growth(self) -> Array:
        """log χ^(l−1)/χ^(l) for l = 1, …, depth; 0 at l = 0."""
        jacobian = self.variance_v * self.variance_w * self.v_derivative
        growth = np.log1p(jacobian)
        if self.projection.any():
            assert self.widths is not None
            ratio = np.divide(self.widths.activation[1:], self.widths.activation[:-1])
            with np.errstate(divide="ignore"):  # nothing passes: χ = 0 below
                projected = np.log(jacobian[..., 1:] + self.sigma_pi**2) + np.log(ratio)
            growth[..., 1:] = np.where(self.projection, projected, growth[..., 1:])
        growth[..., 0] = 0.0
        return growth

    @cached_property
    def log_chi(self) -> Array:
        """Summed from the last layer down: χ^(depth) = 1."""
        below = np.flip(np.cumsum(np.flip(self.log_growth[..., 1:], -1), -1), -1)
        return np.concatenate([below, np.zeros_like(below[..., :1])], -1)

    @cached_property
    def _log_width_ratio(self) -> Array:
        """log N^(l)/M^(l) at l = 0 (unused: 0), 1, …, depth."""
        if self.widths is None:
            return np.zeros(self.depth + 1)
        ratio = np.divide(self.widths.activation[1:], self.widths.hidden)
        return np.concatenate([[0.0], np.log(ratio)])

    @property
    def log_chi_b(self) -> Array:
        with np.errstate(divide="ignore"):
            return self.log_chi + self._log_width_ratio + np.log(self.variance_v) + np.log(self.v_derivative)

    @property
    def log_chi_w(self) -> Array:
        return self.log_chi_b + self._previous_log_p

    @property
    def log_chi_v(self) -> Array:
        return self.log_chi + self._log(self.v_phi_mantissa)

    @property
    def log_chi_a(self) -> Array:
        return np.concatenate([np.full_like(self.log_chi[..., :1], np.nan), self.log_chi[..., 1:]], -1)

    @property
    def log_chi_pi(self) -> Array:
        here = np.concatenate([[False], self.projection])
        return np.where(here, self.log_chi + self._previous_log_p, np.nan)

    @property
    def _previous_log_p(self) -> Array:
        log_p = self.log_p
        return np.concatenate([np.full_like(log_p[..., :1], np.nan), log_p[..., :-1]], -1)

    @property
    def chi(self) -> Array:
        return _exp(self.log_chi)

    @property
    def chi_w(self) -> Array:
        return _exp(self.log_chi_w)

    @property
    def chi_v(self) -> Array:
        return _exp(self.log_chi_v)

    @property
    def chi_a(self) -> Array:
        return _exp(self.log_chi_a)

    @property
    def chi_b(self) -> Array:
        return _exp(self.log_chi_b)

    @property
    def chi_pi(self) -> Array:
        return _exp(self.log_chi_pi)

    def log_gradient(self, parameter: str = "") -> Array:
        """log χ ("") or log χ_• of a parameter: one of w, v, a, b, pi."""
        return getattr(self, f"log_chi_{parameter}" if parameter else "log_chi")

    def log_gradient_ratio(self, parameter: str = "") -> Array:
        """log χ^(0)/χ^(l) (""), or log χ_•^(1)/χ_•^(l) of a parameter (NaN at l = 0).

        Independent of the trace's depth: at l it is the ratio that a network of depth l has between its ends.
        """
        logs = self.log_gradient(parameter)
        first = 1 if parameter else 0
        return logs[..., first : first + 1] - logs

    def log_gradient_spread(self, *parameters: str) -> Array:
        """log of max χ_•/min χ_• over layers 1, …, l and over the ``parameters`` • (NaN at l = 0).

        π counts beside others, at the layers that have one. Infinite where some χ_• is 0 and another is not.
        """
        logs = [self.log_gradient(name)[..., 1:] for name in parameters if name != "pi"]
        highest, lowest = np.maximum.reduce(logs), np.minimum.reduce(logs)
        if "pi" in parameters:
            pi = self.log_chi_pi[..., 1:]
            highest, lowest = np.fmax(highest, pi), np.fmin(lowest, pi)
        spread = np.maximum.accumulate(highest, -1) - np.minimum.accumulate(lowest, -1)
        return np.concatenate([np.full_like(spread[..., :1], np.nan), spread], -1)


def _exp(log: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.exp(log)
