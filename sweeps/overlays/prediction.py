"""The predicted line of a map: a depth scale ξ for each column, and as a curve between the columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float


@dataclass(frozen=True)
class Prediction:
    """ξ per column.

    Attributes:
        xi: NaN where the theory says nothing, infinite at a critical point.
        regime: ``exploding``, ``critical`` or ``vanishing``, "" where there is no ξ.
        reasons: why there is no ξ, "" where there is one.
        factor: the multiple of ξ that the paper draws (16).
        fixed_points: where a column's networks are, ``BSB1`` or ``BSB2`` (paper 1, App. J); "" where unknown.
        curve_x, curve_log_rate: ln λ = ±1/ξ (positive where gradients explode) for a line, exact at the columns and
            interpolated between them, NaN near columns without ξ; empty on an axis of categories.
    """

    xi: Float[np.ndarray, " columns"]
    regime: tuple[str, ...]
    reasons: tuple[str, ...]
    factor: float
    curve_x: Float[np.ndarray, " points"]
    curve_log_rate: Float[np.ndarray, " points"]
    fixed_points: tuple[str, ...] = ()

    def __repr__(self) -> str:
        known = self.xi[np.isfinite(self.xi)]
        span = f"ξ {known.min():.4g} to {known.max():.4g}" if known.size else "no ξ"
        return f"Prediction({span}, {known.size} of {len(self.xi)} columns)"

    @property
    def curve_xi(self) -> Float[np.ndarray, " points"]:
        """ξ at ``curve_x``; infinite where ln λ is 0."""
        with np.errstate(divide="ignore"):
            return 1 / np.abs(self.curve_log_rate)

    @property
    def critical_x(self) -> list[float]:
        """Where the curve goes from exploding to vanishing gradients, or back: ln λ = 0."""
        x, rate = self.curve_x, self.curve_log_rate
        at = [float(x[i]) for i in np.flatnonzero(rate[1:-1] == 0) + 1]
        with np.errstate(invalid="ignore"):
            crossed = np.flatnonzero(rate[:-1] * rate[1:] < 0)
        at += [float(x[i] + (x[i + 1] - x[i]) * rate[i] / (rate[i] - rate[i + 1])) for i in crossed]
        return sorted(at)

    @property
    def exists(self) -> bool:
        """Whether any column has a ξ."""
        return bool(np.isfinite(self.xi).any())


def no_prediction(phase_map: xr.Dataset, reason: str) -> Prediction:
    """The prediction of a theory that has no ξ for any column of this map, with the reason."""
    columns, none = phase_map.sizes[phase_map.attrs["x_axis"]], np.empty(0)
    missing = np.full(columns, np.nan)
    factor = float(phase_map.attrs["overlay_factor"])
    return Prediction(missing, ("",) * columns, (reason,) * columns, factor, none, none)
