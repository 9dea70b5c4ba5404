"""What theories that predict a depth scale ξ for each column of a map have in common."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.map_theory import Grid, MapTheory
from phasemap.sweeps.phase_map.columns import column_parameters

DEPTH_IN_SCALES = "depth/ξ"
CURVE_POINTS = 193
"""Of a line between the columns."""
DECADES = (-100.0, -30.0, -10.0, -3.0, -1.0, 1.0, 3.0, 10.0, 30.0, 100.0)


class DepthScaleTheory(MapTheory):
    """Networks in which something grows or dies by a factor e over ξ layers.

    Attributes:
        parameters: all that ξ depends on; a column needs one value of each.
    """

    parameters: ClassVar[tuple[str, ...]]
    variables = {DEPTH_IN_SCALES: "depth_over_xi"}  # noqa: RUF012

    def inapplicable(self) -> str:
        """Why no column of this map can have a ξ, or ""."""
        attributes = self.phase_map.attrs
        if attributes["overlay"] not in self.lines:
            return f"the experiment asks for overlay {attributes['overlay']!r}"
        if attributes["y_axis"] != "depth":
            return f"a depth scale needs depth on the vertical axis, which is {attributes['y_axis']}"
        known = set(column_parameters(self.phase_map)[0])
        unknown = [name for name in self.parameters if name not in known]
        return f"{', '.join(unknown)} changes within a column" if unknown else ""

    @cached_property
    def quantities(self) -> dict[str, Grid]:
        """Depth in depth scales; none where no column has a ξ."""
        if not self.prediction.exists:
            return {}
        return {DEPTH_IN_SCALES: self.phase_map["depth"].values.astype(float)[:, None] / self.prediction.xi[None, :]}

    def growth_field(self, x: Float[np.ndarray, " x"], log_rate: Float[np.ndarray, " x"]) -> tuple[Field, ...]:
        """The powers of ten by which the squared gradient norm grows from the last layer to the first, negative where
        gradients vanish, at ln of its growth a layer. None with less than two columns or depths."""
        if x.size < 2 or self.phase_map.sizes["depth"] < 2:
            return ()
        depth = np.linspace(0, 1.05 * float(self.phase_map["depth"].max()), 80)
        decades = depth[:, None] * log_rate[None] / np.log(10)
        label = "growth of the squared gradient norm, in powers of ten"
        return (Field("decades", label, x, depth, decades, "decades", DECADES, optional=True),)
