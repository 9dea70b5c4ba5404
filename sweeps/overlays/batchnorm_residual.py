"""The theory of batch norm with skip connections on a map's axes: how much the squared gradient grows, as contours.

It starts from the p⁰ − γ⁰ measured on the training data, the spread that the first linear layer passes unchanged, and
follows the recurrence of ``theory.batchnorm.skip_connections``. Nothing is fitted.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float

from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.map_theory import Grid, MapTheory
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.batchnorm.skip_connections import residual_growth
from phasemap.theory.errors import InputError

PARAMETERS = ("activation", "slope", "alpha", "gamma", "beta", "eps", "sigma_w", "statistics_batch_size")
GROWTH = "growth of the squared gradient norm, in powers of ten"
LOG_GROWTH = f"log₁₀ of the {GROWTH.split(',')[0]}"


class BatchNormResidualTheory(MapTheory):
    """Pre-activation residual networks: the gradient is a power of the layer, so that no depth scale limits them."""

    networks = "batch-normalised residual networks"
    has_frontier = False
    contours = ("growth",)
    variables = {LOG_GROWTH: "log10_gradient_growth"}  # noqa: RUF012
    glossary = {  # noqa: RUF012
        "gradient growth": "of a wide network at initialisation: mean square of the gradient by the sum h before the "
        "first block, over that before the last BN. It is about (depth/ℓ₀)^λ_G, ℓ₀ being how many blocks add as much "
        "to the spread as the data have.",
    }

    def inapplicable(self) -> str:
        """Why the theory says nothing of this map, or ""."""
        attributes = self.phase_map.attrs
        if attributes["y_axis"] != "depth":
            return f"the gradient's growth needs depth on the vertical axis, which is {attributes['y_axis']}"
        if "p0" not in attributes:
            return "the results do not hold p0 and gamma0 of their data"
        known = set(column_parameters(self.phase_map)[0])
        unknown = [name for name in PARAMETERS if name not in known]
        return f"{', '.join(unknown)} changes within a column" if unknown else ""

    @cached_property
    def quantities(self) -> dict[str, Grid]:
        """The logarithm of the growth for every network; NaN in a column without an exponent."""
        if self.inapplicable():
            return {}
        depths = self.phase_map["depth"].values.astype(int)
        return {LOG_GROWTH: self._decades(int(depths.max()))[depths - 1]}

    def fields(self, metric: str = "test_accuracy") -> tuple[Field, ...]:
        """The growth as contours, where the map's ``overlay`` asks for it; none on an axis of categories."""
        x = self.phase_map[self.phase_map.attrs["x_axis"]].values
        wanted = self.phase_map.attrs["overlay"] in self.contours
        if self.inapplicable() or not wanted or not np.issubdtype(x.dtype, np.number) or x.size < 2:
            return ()
        depths = self.phase_map["depth"].values.astype(int)
        y, decades = np.arange(1.0, depths.max() + 1), self._decades(int(depths.max()))
        on_map = decades[depths - 1]
        if not np.isfinite(on_map).any():
            return ()
        span = (float(np.nanmin(on_map)), float(np.nanmax(on_map)))
        return (Field("growth", GROWTH, x.astype(float), y, decades, "decades", span=span),)

    def _decades(self, depth: int) -> Float[np.ndarray, "layers columns"]:
        """log₁₀ of the growth in networks of 1, …, ``depth`` layers."""
        spread = float(self.phase_map.attrs["p0"] - self.phase_map.attrs["gamma0"])
        columns = [Setting.of(column) for column in column_parameters(self.phase_map)]
        return np.stack([_log_growth(setting, spread, depth) for setting in columns], axis=1) / np.log(10)


@lru_cache(maxsize=512)
def _log_growth(setting: Setting, spread: float, depth: int) -> Float[np.ndarray, " layers"]:
    """By depth: the growth over l layers does not depend on the layers above. NaN where there is none."""
    size, eps, sigma_w = int(setting.batch_size), setting.eps, setting.sigma_w
    try:
        found = residual_growth(setting.phi, size, depth, spread=spread, eps=eps, sigma_w=sigma_w)
    except InputError:
        return np.full(depth, np.nan)
    return found.log_gradient[0] - found.log_gradient
