"""What the theory predicts on the map's axes: the depth scale ξ per column, and as a curve between the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from sweeps.phase_map import column_parameters
from theory.activations import activation
from theory.errors import InputError
from train.parameters import TABLE

CURVE_POINTS = 97
_THEORY = ("activation", "slope", "alpha", "gamma", "beta", "eps", "sigma_w", "statistics_batch_size")


@dataclass(frozen=True)
class Prediction:
    """ξ per column.

    Attributes:
        xi: NaN where the theory says nothing, infinite at a critical point.
        regime: ``exploding``, ``critical`` or ``vanishing``, "" where there is no ξ.
        reasons: why there is no ξ, "" where there is one.
        factor: the multiple of ξ that the paper draws (16).
        curve_x, curve_xi: ξ between the columns, for a line; empty where the x axis is not numeric.
    """

    xi: Float[np.ndarray, " columns"]
    regime: tuple[str, ...]
    reasons: tuple[str, ...]
    factor: float
    curve_x: Float[np.ndarray, " points"]
    curve_xi: Float[np.ndarray, " points"]

    @property
    def exists(self) -> bool:
        """Whether any column has a ξ."""
        return bool(np.isfinite(self.xi).any())


@dataclass(frozen=True)
class Field:
    """A predicted quantity over the map, drawn as contours.

    Attributes:
        name: short, for ids. label: in words. x, y: coordinates of ``values``. levels: where the contours run.
    """

    name: str
    label: str
    x: Float[np.ndarray, " x"]
    y: Float[np.ndarray, " y"]
    values: Float[np.ndarray, "y x"]
    levels: tuple[float, ...]


def fields(phase_map: xr.Dataset, prediction: Prediction) -> tuple[Field, ...]:
    """Predicted quantities for contours: the powers of ten by which the squared gradient norm grows from the last layer
    to the first, depth/(ξ ln 10); negative where gradients vanish. None on a categorical axis or without a ξ."""
    finite = np.isfinite(prediction.curve_xi)
    if not finite.any():
        return ()
    x = prediction.curve_x[finite]
    if x.size < 2 or phase_map.sizes["depth"] < 2:
        return ()
    depth = np.linspace(0, 1.05 * float(phase_map["depth"].max()), 80)
    # a curve can cross from exploding to vanishing between columns: the nearest column says which side a point is on
    columns = phase_map[phase_map.attrs["x_axis"]].values.astype(float)
    sign = np.array([-1.0 if regime == "vanishing" else 1.0 for regime in prediction.regime])
    nearest = np.abs(x[:, None] - columns[None]).argmin(axis=1)
    decades = depth[:, None] * (sign[nearest] / prediction.curve_xi[finite])[None] / np.log(10)
    levels = (-100.0, -30.0, -10.0, -3.0, -1.0, 1.0, 3.0, 10.0, 30.0, 100.0)
    return (Field("decades", "growth of the squared gradient norm, in powers of ten", x, depth, decades, levels),)


def predict(phase_map: xr.Dataset) -> Prediction:
    """ξ of the map's columns; a column that the theory does not cover is NaN with the reason."""
    x_axis, factor = phase_map.attrs["x_axis"], float(phase_map.attrs["overlay_factor"])
    columns = column_parameters(phase_map)
    reason = _inapplicable(phase_map)
    none = np.empty(0)
    if reason:
        missing = np.full(len(columns), np.nan)
        return Prediction(missing, ("",) * len(columns), (reason,) * len(columns), factor, none, none)
    answers = [_depth_scale(column) for column in columns]
    xi = np.array([value for value, _, _ in answers], dtype=float)
    curve_x = _between(phase_map, x_axis)
    curve_xi = np.array([_depth_scale(column)[0] for column in _columns_at(columns, x_axis, curve_x)], dtype=float)
    return Prediction(
        xi,
        tuple(regime for _, regime, _ in answers),
        tuple(reason for _, _, reason in answers),
        factor,
        curve_x,
        curve_xi,
    )


def _inapplicable(phase_map: xr.Dataset) -> str:
    """Why no column of this map can have a ξ, or ""."""
    attributes = phase_map.attrs
    if attributes["overlay"] != "xi":
        return f"the experiment asks for overlay {attributes['overlay']!r}"
    if attributes["y_axis"] != "depth":
        return f"a depth scale needs depth on the vertical axis, which is {attributes['y_axis']}"
    if attributes.get("architecture", "bn-mlp") != "bn-mlp":
        return f"there is no depth scale for architecture {attributes['architecture']!r}"
    known = set(column_parameters(phase_map)[0])
    unknown = [name for name in _THEORY if name not in known]
    return f"{', '.join(unknown)} changes within a column" if unknown else ""


def _depth_scale(column: Mapping[str, Any]) -> tuple[float, str, str]:
    """(ξ, regime, reason why there is none) for one column's parameters."""
    from theory.batchnorm import depth_scale

    try:
        phi = activation(
            column["activation"],
            scale=float(column["gamma"]),
            shift=float(column["beta"]),
            slope=float(column["slope"]),
            alpha=float(column["alpha"]),
        )
        found = depth_scale(
            phi, int(column["statistics_batch_size"]), eps=float(column["eps"]), sigma_w=float(column["sigma_w"])
        )
    except (InputError, ValueError, ArithmeticError) as error:
        return float("nan"), "", str(error)
    if found.xi is None or np.isnan(found.xi):
        return float("nan"), "", str(getattr(found, "reason", "") or "the theory gives no depth scale here")
    return float(found.xi), str(found.regime), ""


def _between(phase_map: xr.Dataset, x_axis: str) -> Float[np.ndarray, " points"]:
    """Where the curve is evaluated: the columns and points between them, evenly on the axis's scale."""
    x = phase_map[x_axis].values
    if not np.issubdtype(x.dtype, np.number) or x.size < 2 or x_axis not in (*_THEORY, "batch_size"):
        return np.empty(0)
    log = phase_map.attrs["x_scale"] == "log" and x.min() > 0
    dense = np.geomspace(x.min(), x.max(), CURVE_POINTS) if log else np.linspace(x.min(), x.max(), CURVE_POINTS)
    if TABLE[x_axis].kind is int:
        dense = np.round(dense)
    return np.unique(np.concatenate([x.astype(float), dense]))


def _columns_at(
    columns: Sequence[Mapping[str, Any]], x_axis: str, x: Float[np.ndarray, " points"]
) -> list[dict[str, Any]]:
    """The theory's parameters at each x: the columns' common ones, with the axis's own replaced."""
    # statistics_batch_size follows batch_size unless it is given
    follows = [c["batch_size"] for c in columns] == [c["statistics_batch_size"] for c in columns]
    names = [x_axis]
    if x_axis == "batch_size":
        names = ["statistics_batch_size"] if follows else []
    return [{**columns[0], **dict.fromkeys(names, value)} for value in x.tolist()]
