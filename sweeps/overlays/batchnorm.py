"""The theory of batch norm on a map's axes: the depth scale ξ per column, and as a curve between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator

from phasemap.sweeps.overlays.depth_scale_theory import CURVE_POINTS, DepthScaleTheory
from phasemap.sweeps.overlays.depth_scales import GRADIENT, PARAMETERS, forward_scales, record_of
from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.prediction import Prediction, no_prediction
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.theory.activations import Activation, activation
from phasemap.theory.errors import InputError

FIELD_POINTS = 1000


class BatchNormTheory(DepthScaleTheory):
    """Networks of Linear, BN and activation: gradients change by e over ξ layers (Yang et al. 2019)."""

    networks = "batch-normalised networks"
    paper = "Yang et al. 2019"
    lines = ("xi",)
    parameters = PARAMETERS

    @cached_property
    def prediction(self) -> Prediction:
        """ξ of the map's columns; a column that the theory does not cover is NaN with the reason."""
        if reason := self.inapplicable():
            return no_prediction(self.phase_map, reason)
        asked = [tuple((name, column[name]) for name in PARAMETERS) for column in column_parameters(self.phase_map)]
        answer = {one: _depth_scale(dict(one)) for one in dict.fromkeys(asked)}
        answers = [answer[one] for one in asked]
        xi = np.array([value for value, *_ in answers], dtype=float)
        _, regimes, fixed_points, reasons = zip(*answers, strict=True)
        curve = _curve(self.phase_map, xi, regimes)
        factor = float(self.phase_map.attrs["overlay_factor"])
        return Prediction(xi, regimes, reasons, factor, *curve, fixed_points)

    @cached_property
    def scales(self) -> dict[str, Float[np.ndarray, " columns"]]:
        """ξ, and the depth scales of the forward pass; none where no column has a ξ."""
        if not self.prediction.exists:
            return {}
        columns = [{name: column[name] for name in PARAMETERS} for column in column_parameters(self.phase_map)]
        return {GRADIENT: self.prediction.xi, **forward_scales([(_activation(one), one) for one in columns])}

    def fields(self, metric: str = "test_accuracy") -> tuple[Field, ...]:
        """The powers of ten by which the squared gradient norm grows from the last layer to the first, depth/(ξ ln 10);
        negative where gradients vanish. None on a categorical axis or without a ξ."""
        curve = self.prediction
        known = np.flatnonzero(~np.isnan(curve.curve_log_rate))
        known = known[:: -(-known.size // FIELD_POINTS) or 1]
        x = curve.curve_x[known]
        return self.growth_field(x, curve.curve_log_rate[known])


def _depth_scale(column: Mapping[str, Any]) -> tuple[float, str, str, str]:
    """(ξ, regime, fixed point, reason why there is none) of one column's networks, where they are: at BSB1 where it
    attracts, else at BSB2."""
    try:
        record = record_of(_activation(column), column)
    except (InputError, ValueError, ArithmeticError) as error:
        return float("nan"), "", "", str(error)
    if record["regime"] is None:
        return float("nan"), "", "", record["reasons"]["depth_scale"]
    xi = float("inf") if record["regime"] == "critical" else record["depth_scale"]
    if not xi:
        return float("nan"), "", "", f"the rate {record['rate']} gives no depth scale"
    return float(xi), record["regime"], record["fixed_point"], ""


def _activation(column: Mapping[str, Any]) -> Activation:
    return activation(
        column["activation"],
        scale=float(column["gamma"]),
        shift=float(column["beta"]),
        slope=float(column["slope"]),
        alpha=float(column["alpha"]),
    )


def critical_eps_of(phase_map: xr.Dataset) -> float:
    """The critical ε of a map's networks, where gradients neither explode nor vanish."""
    from phasemap.theory.batchnorm.fixed_point import critical_eps

    column = column_parameters(phase_map)[0]
    return critical_eps(_activation(column), int(column["statistics_batch_size"]), float(column["sigma_w"]))


def _curve(
    phase_map: xr.Dataset, xi: Float[np.ndarray, " columns"], regimes: Sequence[str]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """ln λ between the columns, by a monotone interpolant on the axis's scale: ln λ is smooth where ξ is infinite, so
    the line goes through a critical point as it should. The critical ε, which the theory knows exactly, is a point of
    it even if no column is."""
    columns = phase_map[phase_map.attrs["x_axis"]].values
    known = ~np.isnan(xi) & (xi > 0)
    if not np.issubdtype(columns.dtype, np.number) or known.sum() < 2:
        return np.empty(0), np.empty(0)
    x = columns.astype(float)
    log = phase_map.attrs["x_scale"] == "log" and x.min() > 0
    position = np.log(x) if log else x
    sign = np.array([-1.0 if regime == "vanishing" else 1.0 for regime in regimes])
    at, rate = position[known], (sign / np.where(known, xi, 1.0))[known]
    critical = critical_eps_of(phase_map) if phase_map.attrs["x_axis"] == "eps" else float("inf")
    critical = np.log(critical) if log else critical
    if at[0] < critical < at[-1] and critical not in at:
        place = int(np.searchsorted(at, critical))
        at, rate = np.insert(at, place, critical), np.insert(rate, place, 0.0)
    between = PchipInterpolator(at, rate, extrapolate=False)
    dense = np.unique(np.concatenate([position, at, np.linspace(position[0], position[-1], CURVE_POINTS)]))
    curve = between(dense)
    # no line over columns for which the theory says nothing
    nearest = np.searchsorted((position[1:] + position[:-1]) / 2, dense)
    curve[~known[nearest]] = np.nan
    return np.exp(dense) if log else dense, curve
