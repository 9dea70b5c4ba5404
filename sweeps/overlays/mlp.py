"""The theory of plain networks on a map's axes: over how many layers two inputs' correlation settles (Schoenholz et al.
2017). ξ limits depth on both sides of the critical point: what inputs differ in is lost in the ordered phase, what they
share in the chaotic one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from phasemap.sweeps.overlays.depth_scale_theory import CURVE_POINTS, DepthScaleTheory
from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.prediction import Prediction, no_prediction
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.theory.activations import Activation, activation
from phasemap.theory.errors import InputError
from phasemap.theory.mlp.record import mlp_record
from phasemap.theory.mlp.solution import Solution, solve

SCALES = {"xi_c": "ξ_c (correlation)", "xi_grad": "ξ_∇ (gradient)", "xi_q": "ξ_q (length)"}
LINES = {"xi": "xi_c", "xi_grad": "xi_grad"}
"""The scale that is the predicted line, by the parameter ``overlay``."""
STACKED = ("sigma_w", "sigma_b", "keep")
"""What the theory takes as arrays."""
PARAMETERS = ("activation", "slope", "alpha", "norm", "eps", *STACKED)
"""All that it depends on."""
REGIMES = {"ordered": "vanishing", "critical": "critical", "chaotic": "exploding"}
"""What gradients do in each phase."""


class MLPTheory(DepthScaleTheory):
    """Networks of Linear and activation, with or without layer normalisation and dropout."""

    networks = "plain networks"
    says = (
        "over how many layers two inputs become alike, or lose what they have in common: over ξ layers their"
        " correlation comes nearer to its limit by a factor e"
    )
    paper = "Schoenholz et al. 2017"
    lines = tuple(LINES)
    parameters = PARAMETERS
    glossary = {  # noqa: RUF012
        "ξ_c, ξ_∇, ξ_q": "layers over which the correlation of two inputs nears its fixed point by a factor e, the "
        "mean squared gradient changes by it, and the length of a signal nears its fixed point by it",
        "ordered, chaotic": "two inputs become alike and gradients vanish; they come apart and gradients explode. "
        "Between the two, at the critical point, ξ is infinite",
    }

    @cached_property
    def prediction(self) -> Prediction:
        """ξ of the map's columns; a column that the theory does not cover is NaN with the reason."""
        if reason := self.inapplicable():
            return no_prediction(self.phase_map, reason)
        answers = [_depth_scale(record, LINES[self.phase_map.attrs["overlay"]]) for record in self._records]
        xi, regimes, reasons = zip(*answers, strict=True)
        factor = float(self.phase_map.attrs["overlay_factor"])
        return Prediction(np.array(xi), regimes, reasons, factor, *self._curve(np.isnan(xi)))

    @cached_property
    def scales(self) -> dict[str, Float[np.ndarray, " columns"]]:
        """The line's scale first, and the other two; none where no column has a ξ."""
        if not self.prediction.exists:
            return {}
        first = LINES[self.phase_map.attrs["overlay"]]
        names = [first, *(name for name in SCALES if name != first)]
        return {SCALES[name]: np.array([_depth_scale(record, name)[0] for record in self._records]) for name in names}

    def fields(self, metric: str = "test_accuracy") -> tuple[Field, ...]:
        """The growth of the gradient as contours. None on a categorical axis or without a ξ."""
        x = self.prediction.curve_x
        return self.growth_field(x, np.log(self._along(x).chi_1_dropout)) if x.size else ()

    @cached_property
    def _records(self) -> list[Mapping[str, Any]]:
        """What the theory says of each column; ``{"reason": …}`` where it is not defined."""
        return [_record(tuple(column[name] for name in PARAMETERS)) for column in column_parameters(self.phase_map)]

    def _curve(self, unknown: np.ndarray) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
        """±1/ξ between the columns, computed at every point; NaN over columns without ξ. None on other axes than the
        theory's."""
        name = self.phase_map.attrs["x_axis"]
        columns = self.phase_map[name].values
        if name not in STACKED or columns.size < 2 or unknown.all():
            return np.empty(0), np.empty(0)
        x = columns.astype(float)
        log = self.phase_map.attrs["x_scale"] == "log" and x.min() > 0
        space = np.geomspace if log else np.linspace
        dense = np.unique(np.concatenate([x, space(x[0], x[-1], CURVE_POINTS)]))
        found, line = self._along(dense), LINES[self.phase_map.attrs["overlay"]]
        grows = found.chi_1_dropout > 1 if line == "xi_grad" else found.regime == "chaotic"
        with np.errstate(divide="ignore"):
            rate = np.where(grows, 1.0, -1.0) / getattr(found, line)
        middles = np.sqrt(x[1:] * x[:-1]) if log else (x[1:] + x[:-1]) / 2
        rate[unknown[np.searchsorted(middles, dense)]] = np.nan
        return dense, rate

    def _along(self, x: Float[np.ndarray, " points"]) -> Solution:
        """The theory between the columns, all else as in the first."""
        column = column_parameters(self.phase_map)[0] | {self.phase_map.attrs["x_axis"]: x}
        return solve(_activation(column), **_numbers(column))


def _depth_scale(record: Mapping[str, Any], name: str) -> tuple[float, str, str]:
    """(ξ, regime, reason why there is none) of one column; infinite at the critical point. The gradient has a rate also
    where lengths grow without bound."""
    if "reason" in record:
        return float("nan"), "", record["reason"]
    regime, rate = REGIMES.get(record["regime"], ""), record["chi_1_dropout"]
    if name == "xi_grad" and rate is not None:
        regime = "critical" if record[name] is None else "exploding" if rate > 1 else "vanishing"
    if regime == "critical":
        return float("inf"), regime, ""
    if not regime or not record[name]:
        reasons = record["reasons"]
        return float("nan"), "", reasons.get(name) or reasons.get("regime") or "ξ is 0: all is forgotten in one layer"
    return float(record[name]), regime, ""


@lru_cache(maxsize=512)
def _record(values: tuple[Any, ...]) -> Mapping[str, Any]:
    column = dict(zip(PARAMETERS, values, strict=True))
    try:
        return mlp_record(_activation(column), **_numbers(column))
    except (InputError, ArithmeticError) as error:
        return {"reason": str(error)}


def _activation(column: Mapping[str, Any]) -> Activation:
    return activation(column["activation"], slope=float(column["slope"]), alpha=float(column["alpha"]))


def _numbers(column: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the theory's functions."""
    return {name: column[name] for name in ("norm", "eps", *STACKED)}
