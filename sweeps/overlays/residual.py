"""What the residual theory predicts on the map's axes: p, s, e and gradient ratios of every network, and as contours.

Everything starts from the p⁰ = ⟨x²⟩ and γ⁰ = ⟨x·x′⟩ measured on the training data (they pass the linear embedding
unchanged) and follows the recurrences of Thms C.2 and C.3 of "Deep Mean Field Theory: Layerwise Variance and Width
Variation". Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from matplotlib.ticker import MaxNLocator

from phasemap.sweeps.figures.style import QUANTITY_COLOURS
from phasemap.sweeps.figures.style import THEORY as DASHED
from phasemap.sweeps.overlays.overlay import Field
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.sweeps.phase_map.regions import best_columns
from phasemap.sweeps.verdict.divergence_level import Corner
from phasemap.theory.activations import activation
from phasemap.theory.residual.growth_laws.relu import leading_terms
from phasemap.theory.residual.quantities import QUANTITIES
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace

Grid = Float[np.ndarray, "depths columns"]

PARAMETERS = (
    "activation",
    "slope",
    "alpha",
    "widths",
    "sigma_w",
    "sigma_b",
    "sigma_v",
    "sigma_a",
    "beta_w",
    "beta_b",
    "beta_v",
    "beta_a",
)
SQUASHED_FROM = 12.0
"""A logarithm that spans more than this has its contours at equal steps of log(1 + log f), the paper's numbers."""
LEVELS = 8
FIELD_POINTS = 81
PRINTED = "#ff8f6b"
"""Colour of the dashed line that the paper prints."""


def inapplicable(phase_map: xr.Dataset) -> str:
    """Why the residual theory says nothing of this map, or ""."""
    attributes = phase_map.attrs
    if attributes.get("architecture") != "resnet":
        return "these are no residual networks"
    if attributes["y_axis"] != "depth":
        return f"the theory's quantities need depth on the vertical axis, which is {attributes['y_axis']}"
    if "p0" not in attributes:
        return "the results do not hold p0 and gamma0 of their data"
    missing = [name for name in PARAMETERS if name not in column_parameters(phase_map)[0]]
    if missing:
        return f"{', '.join(missing)} changes within a column"
    changing = [name for name in ("activation", "slope", "alpha", "widths") if name not in attributes]
    return f"{', '.join(changing)} changes from column to column" if changing else ""


def quantities(phase_map: xr.Dataset) -> dict[str, Grid]:
    """Every quantity of ``QUANTITIES`` at the map's own networks; none where ``inapplicable``."""
    if inapplicable(phase_map):
        return {}
    depths = phase_map["depth"].values.astype(int)
    columns = column_parameters(phase_map)
    trace = _trace(phase_map, int(depths.max()), _along(columns))
    return {name: of(trace)[:, depths].T for name, (_, of) in QUANTITIES.items()}


def fields(phase_map: xr.Dataset, metric: str = "test_accuracy") -> tuple[Field, ...]:
    """The contours that the map's ``overlay`` asks for: of one quantity, or one on each side of every depth's best
    network.

    None where ``inapplicable``, for an overlay without contours, on an axis of categories, or on a single column.
    """
    wanted = [name for name in str(phase_map.attrs["overlay"]).split("|") if name in QUANTITIES]
    x = phase_map[phase_map.attrs["x_axis"]].values
    if inapplicable(phase_map) or not wanted or not np.issubdtype(x.dtype, np.number) or x.size < 2:
        return ()
    dense, along = _dense(phase_map)
    depths = phase_map["depth"].values.astype(float)
    deepest = _deepest(phase_map)
    trace = _trace(phase_map, deepest, along)
    y = np.arange(1.0, deepest + 1)
    shown = (y >= depths.min()) & (y <= depths.max())
    sides = [np.ones((y.size, dense.size), bool)]
    if len(wanted) == 2:
        sides = _sides(phase_map, metric, dense, y)
    where = ["", ""] if len(wanted) < 2 else [", left of each depth's best network", ", right of it"]
    return tuple(
        _field(name, where[i], dense, y, QUANTITIES[name][1](trace)[:, 1:].T, sides[i], shown)
        for i, name in enumerate(wanted)
    )


def leading_quantities(phase_map: xr.Dataset) -> dict[str, Grid]:
    """Log p's leading term, right and as printed, at the map's networks (``failing_corner.leading_terms``).

    None where ``inapplicable``, for another activation than relu, and where no network has V_r < 1.
    """
    if inapplicable(phase_map) or phase_map.attrs["activation"] != "relu":
        return {}
    layers = phase_map["depth"].values.astype(float)[:, None]
    found = _leading(_along(column_parameters(phase_map)), phase_map.sizes[phase_map.attrs["x_axis"]], layers)
    return found if all(np.isfinite(values).any() for values in found.values()) else {}


def dashed_fields(phase_map: xr.Dataset, corners: Sequence[Corner]) -> tuple[Field, ...]:
    """The fitted level of each leading term among ``corners`` as a dashed line."""
    x = phase_map[phase_map.attrs["x_axis"]].values
    levels = {corner.name: corner for corner in corners}
    if not levels or not leading_quantities(phase_map) or not np.issubdtype(x.dtype, np.number) or x.size < 2:
        return ()
    dense, along = _dense(phase_map)
    y = np.linspace(1.0, float(_deepest(phase_map)), 3 * FIELD_POINTS)
    terms = _leading(along, dense.size, y[:, None])
    return tuple(
        Field(
            f"corner-{i}",
            f"{name} = C, fitted: {levels[name].level:.3g}",
            dense,
            y,
            values,
            (levels[name].level,),
            colour=DASHED if i == 0 else PRINTED,
            form="printed" if i else f"C = {levels[name].level:.3g}",
            dashed=True,
        )
        for i, (name, values) in enumerate(terms.items())
        if name in levels
    )


def _leading(along: dict[str, Any], columns: int, layers: Float[np.ndarray, "y 1"]) -> dict[str, np.ndarray]:
    v_r = np.broadcast_to(np.add(along["beta_v"], along["beta_w"]), (columns,))
    w_r = np.broadcast_to(np.square(np.multiply(along["sigma_v"], along["sigma_w"])) / 2, (columns,))
    return leading_terms(*(np.broadcast_to(part, (layers.size, columns)) for part in (v_r, w_r, layers)))


def _field(
    name: str,
    where: str,
    x: Float[np.ndarray, " x"],
    y: Float[np.ndarray, " y"],
    values: Float[np.ndarray, "y x"],
    side: Bool[np.ndarray, "y x"],
    shown: Bool[np.ndarray, " y"],
) -> Field:
    label = QUANTITIES[name][0]
    on_map = values[shown[:, None] & side]
    if name != "e" and on_map.size and np.ptp(on_map) > SQUASHED_FROM:
        values, label = np.sign(values) * np.log1p(np.abs(values)), f"log(1 + {label})"
        on_map = values[shown[:, None] & side]
    levels = MaxNLocator(LEVELS).tick_values(float(on_map.min()), float(on_map.max())) if on_map.size else []
    return Field(
        name,
        label + where,
        x,
        y,
        np.where(side, values, np.nan),
        tuple(float(level) for level in levels),
        colour=QUANTITY_COLOURS[name],
        form="{:g}",
    )


def _sides(
    phase_map: xr.Dataset, metric: str, x: Float[np.ndarray, " x"], y: Float[np.ndarray, " y"]
) -> list[Bool[np.ndarray, "y x"]]:
    """Left and right of the best column, which is interpolated between the map's depths."""
    best = phase_map[phase_map.attrs["x_axis"]].values.astype(float)[best_columns(phase_map, metric)]
    edge = np.interp(y, phase_map["depth"].values.astype(float), best)[:, None]
    return [x[None, :] <= edge, x[None, :] >= edge]


def _deepest(phase_map: xr.Dataset) -> int:
    """The layer at the map's upper edge, or just beyond it."""
    return math.ceil(map_axis(phase_map, "y").edges[-1])


def _dense(phase_map: xr.Dataset) -> tuple[Float[np.ndarray, " x"], dict[str, Any]]:
    """(points on the horizontal axis, columns among them; σ and β there, linear between the columns)."""
    x = phase_map[phase_map.attrs["x_axis"]].values.astype(float)
    dense = np.unique(np.concatenate([x, np.linspace(x[0], x[-1], FIELD_POINTS)]))
    along = _along(column_parameters(phase_map))
    return dense, {name: np.interp(dense, x, v) if np.ndim(v) else v for name, v in along.items()}


def _along(columns: list[dict[str, Any]]) -> dict[str, Any]:
    """σ and β: a number where all columns share it, else one per column."""
    values = {name: np.array([float(column[name]) for column in columns]) for name in PARAMETERS if "_" in name}
    return {name: float(value[0]) if np.ptp(value) == 0 else value for name, value in values.items()}


def _trace(phase_map: xr.Dataset, depth: int, along: dict[str, Any]) -> ResidualTrace:
    """The recurrences to ``depth``, with the columns as the grid."""
    shared = phase_map.attrs
    columns = next((value.size for value in along.values() if np.ndim(value)), phase_map.sizes[shared["x_axis"]])
    phi = activation(shared["activation"], slope=float(shared["slope"]), alpha=float(shared["alpha"]))
    p0 = np.full(columns, float(shared["p0"]))
    return residual_recurrence(phi, depth, p0=p0, gamma0=float(shared["gamma0"]), widths=str(shared["widths"]), **along)
