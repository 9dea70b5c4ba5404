"""What an overlay is: a predicted depth scale for each column, or a field of numbers over the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Prediction:
    """ξ per column.

    Attributes:
        xi: NaN where the theory says nothing, infinite at a critical point.
        regime: ``exploding``, ``critical`` or ``vanishing``, "" where there is no ξ.
        reasons: why there is no ξ, "" where there is one.
        factor: the multiple of ξ that the paper draws (16).
        curve_x, curve_log_rate: ln λ = ±1/ξ (positive where gradients explode) for a line, exact at the columns and
            interpolated between them, NaN near columns without ξ; empty on an axis of categories.
    """

    xi: Float[np.ndarray, " columns"]
    regime: tuple[str, ...]
    reasons: tuple[str, ...]
    factor: float
    curve_x: Float[np.ndarray, " points"]
    curve_log_rate: Float[np.ndarray, " points"]

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


@dataclass(frozen=True)
class Field:
    """A predicted quantity over the map, drawn as contours.

    Attributes:
        name: short, for ids. label: in words. x, y: coordinates of ``values``, NaN where no contour shall run. levels:
            where the contours run. colour: of the contours, "" for the style's own. form: of the number on a contour.
        dashed: a line of its own rather than one of many levels.
    """

    name: str
    label: str
    x: Float[np.ndarray, " x"]
    y: Float[np.ndarray, " y"]
    values: Float[np.ndarray, "y x"]
    levels: tuple[float, ...]
    colour: str = ""
    form: str = "$10^{{{:g}}}$"
    dashed: bool = False
