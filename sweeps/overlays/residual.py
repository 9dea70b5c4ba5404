"""The theory of residual networks on a map's axes: p, s, e and gradient ratios of every network, and as contours.

Everything starts from the p⁰ = ⟨x²⟩ and γ⁰ = ⟨x·x′⟩ measured on the training data (they pass the linear embedding
unchanged) and follows the recurrences of Thms C.2 and C.3 of "Deep Mean Field Theory: Layerwise Variance and Width
Variation". Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.map_theory import Grid, MapTheory
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.columns import changing_within_columns, column_parameters
from phasemap.sweeps.phase_map.regions import best_columns
from phasemap.theory.activations import Activation, activation
from phasemap.theory.errors import InputError
from phasemap.theory.residual.growth_laws.relu import leading_terms
from phasemap.theory.residual.quantities import QUANTITIES
from phasemap.theory.residual.recurrence import SCALINGS, residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace

VARIANCES = ("sigma_w", "sigma_b", "sigma_v", "sigma_a", "beta_w", "beta_b", "beta_v", "beta_a")
SHARED = ("activation", "slope", "alpha", "widths")
"""What all networks of a map must have in common."""
DECIDE_A = tuple(f"{kind}_{which}" for kind in ("sigma", "depth_scaling") for which in "vwa")
"""What A of a width schedule depends on, so that all networks of a map that has one share these too."""
MAY_FAIL = ("p", "s", "chi", "chi_sum")
"""Quantities above a level of which networks may diverge."""
SQUASHED_FROM = 12.0
"""A logarithm that spans more than this has its contours at equal steps of log(1 + log f), the paper's numbers."""
FIELD_POINTS, SCALED_ROWS = 81, 41
"""Points along a contour's horizontal axis; depths along its vertical axis, beside the map's own, where each is another
network."""
RIGHT, PRINTED = "leading term", "leading term as printed"
"""Roles of the two forms of log p's leading term (docs/errata-resnet.md)."""


class ResidualTheory(MapTheory):
    """Residual networks with variance variation, whose accuracy need not fall with depth (Yang & Schoenholz 2018)."""

    networks = "residual networks"
    paper = "Yang & Schoenholz 2018"
    has_frontier = False
    contours = tuple(QUANTITIES)
    variables = {label: f"theory_{name}" for name, (label, _) in QUANTITIES.items()}  # noqa: RUF012
    glossary = {  # noqa: RUF012
        "p, s, e": "of a wide network at initialisation, at the last block: mean square of an activation, half the "
        "mean squared distance of two inputs' activations, cosine of the two.",
        "χ, χ_w, χ_v": "mean square of the gradient by an activation, by a weight w into a block, by a weight v out of "
        "it. Ratios compare the first block with the last.",
        "max χ_•/min χ_•": "the largest mean square of the gradient by one parameter over the smallest, over all "
        "blocks and w, v, a, b. The condition number of the Fisher information matrix is at least this ratio.",
        "β, V_r, W_r": "a parameter of block l has the variance σ²·l^(−β); V_r = β_v + β_w, W_r = σ_v²σ_w²/2.",
        "δ": "in a network of depth L these variances are multiplied by L^(−δ), δ being the parameter depth_scaling.",
    }

    def inapplicable(self) -> str:
        """Why the theory says nothing of this map, or ""."""
        attributes = self.phase_map.attrs
        if attributes["y_axis"] != "depth":
            return f"the theory's quantities need depth on the vertical axis, which is {attributes['y_axis']}"
        if "p0" not in attributes:
            return "the results do not hold p0 and gamma0 of their data"
        within = changing_within_columns(self.phase_map)
        changing = [name for name in (*SHARED, *VARIANCES, *SCALINGS) if name in within]
        if changing:
            return f"{', '.join(changing)} changes within a column"
        changing = [name for name in SHARED if name not in attributes]
        if not changing and "exp(A)" in str(attributes["widths"]):
            along = _along(column_parameters(self.phase_map))
            changing = [name for name in DECIDE_A if np.ndim(along[name])]
        if changing:
            return f"{', '.join(changing)} changes from column to column"
        try:
            _activation(attributes)
        except InputError as error:  # a file of somebody's own that is not there, or not to be run
            return str(error)
        return ""

    @cached_property
    def quantities(self) -> dict[str, Grid]:
        """Every quantity of ``QUANTITIES`` at the map's own networks, by its label."""
        if self.inapplicable():
            return {}
        depths = self.phase_map["depth"].values.astype(int)
        found = _predicted(self.phase_map, QUANTITIES, depths, _along(column_parameters(self.phase_map)))
        return {QUANTITIES[name][0]: values for name, values in found.items()}

    @cached_property
    def leading_terms(self) -> dict[str, Grid]:
        """Log p's leading term, right and as printed, at the map's networks.

        None for another activation than relu, where no network has V_r < 1, and where variances depend on the depth.
        """
        if self.inapplicable() or self.phase_map.attrs["activation"] != "relu":
            return {}
        along = _along(column_parameters(self.phase_map))
        if _scales(along):
            return {}
        layers = self.phase_map["depth"].values.astype(float)[:, None]
        columns = self.phase_map.sizes[self.phase_map.attrs["x_axis"]]
        found = _leading(along, columns, layers)
        return found if all(np.isfinite(values).any() for values in found.values()) else {}

    @cached_property
    def failure_quantities(self) -> dict[str, Grid]:
        """The leading terms of log p, and p, s, the ratio of χ and the sum of χ_w and χ_v themselves."""
        labels = [QUANTITIES[name][0] for name in MAY_FAIL]
        return {**self.leading_terms, **{label: self.quantities[label] for label in labels if self.quantities}}

    def fields(self, metric: str = "test_accuracy") -> tuple[Field, ...]:
        """The contours that the map's ``overlay`` asks for: of one quantity, or one on each side of every depth's best
        network. None for an overlay without contours, on an axis of categories, or on a single column."""
        wanted = [name for name in str(self.phase_map.attrs["overlay"]).split("|") if name in QUANTITIES]
        if self.inapplicable() or not wanted or not self._numeric:
            return ()
        dense, along = _dense(self.phase_map)
        depths = self.phase_map["depth"].values.astype(float)
        deepest = _deepest(self.phase_map)
        y = np.arange(1.0, deepest + 1)
        if _scales(along):  # a recurrence for each
            y = np.union1d(np.round(np.linspace(1, deepest, SCALED_ROWS)), depths)
        predicted = _predicted(self.phase_map, wanted, y.astype(int), along)
        shown = (y >= depths.min()) & (y <= depths.max())
        sides = [np.ones((y.size, dense.size), bool)]
        if len(wanted) == 2:
            sides = _sides(self.phase_map, metric, dense, y)
        where = ["", ""] if len(wanted) < 2 else [", left of each depth's best network", ", right of it"]
        return tuple(
            _field(name, where[i], dense, y, predicted[name], sides[i], shown) for i, name in enumerate(wanted)
        )

    def failure_fields(self) -> tuple[Field, ...]:
        """Both forms of the leading term of log p."""
        if not self.leading_terms or not self._numeric:
            return ()
        dense, along = _dense(self.phase_map)
        y = np.linspace(1.0, float(_deepest(self.phase_map)), 3 * FIELD_POINTS)
        terms = _leading(along, dense.size, y[:, None])
        return tuple(
            Field(f"corner-{i}", name, dense, y, values, (RIGHT, PRINTED)[i], note="printed" if i else "")
            for i, (name, values) in enumerate(terms.items())
        )

    @property
    def _numeric(self) -> bool:
        """Whether there is anything between the columns."""
        x = self.phase_map[self.phase_map.attrs["x_axis"]].values
        return np.issubdtype(x.dtype, np.number) and x.size > 1


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
    span = (float(on_map.min()), float(on_map.max())) if on_map.size else None
    return Field(name, label + where, x, y, np.where(side, values, np.nan), name, span=span)


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
    """σ, β and δ (0 if not given): a number where all columns share it, else one per column."""
    given = [dict.fromkeys(SCALINGS, 0.0) | column for column in columns]
    values = {name: np.array([float(column[name]) for column in given]) for name in (*VARIANCES, *SCALINGS)}
    return {name: float(value[0]) if np.ptp(value) == 0 else value for name, value in values.items()}


def _scales(along: dict[str, Any]) -> bool:
    """Whether variances depend on the network's own depth: no network is then the beginning of a deeper one."""
    return any(np.any(along[name]) for name in SCALINGS)


def _predicted(
    phase_map: xr.Dataset, names: Iterable[str], depths: Int[np.ndarray, " y"], along: dict[str, Any]
) -> dict[str, Grid]:
    """Quantities of the networks of each depth, for the columns that ``along`` describes."""
    if not _scales(along):
        trace = _trace(phase_map, int(depths.max()), along)
        return {name: QUANTITIES[name][1](trace)[:, depths].T for name in names}
    rows = [_trace(phase_map, int(depth), along) for depth in depths]
    return {name: np.stack([QUANTITIES[name][1](trace)[:, -1] for trace in rows]) for name in names}


def _activation(shared: Mapping[Hashable, Any]) -> Activation:
    return activation(shared["activation"], slope=float(shared["slope"]), alpha=float(shared["alpha"]))


def _trace(phase_map: xr.Dataset, depth: int, along: dict[str, Any]) -> ResidualTrace:
    """The recurrences to ``depth``, with the columns as the grid."""
    shared = phase_map.attrs
    columns = next((value.size for value in along.values() if np.ndim(value)), phase_map.sizes[shared["x_axis"]])
    phi = _activation(shared)
    p0 = np.full(columns, float(shared["p0"]))
    return residual_recurrence(phi, depth, p0=p0, gamma0=float(shared["gamma0"]), widths=str(shared["widths"]), **along)
