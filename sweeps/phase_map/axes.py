"""The map's axes as numbers: positions, cell edges, scale, names in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

LABELS = {
    "depth": "depth (layers)",
    "batch_size": "batch size B",
    "statistics_batch_size": "samples per BN statistic B",
    "gamma": "BN scale γ",
    "beta": "BN shift β",
    "eps": "ε of BN",
    "sigma_w": "σ_w of the weights",
    "lr": "learning rate",
    "width": "width N",
    "beta_w": "β_w",
    "beta_b": "β_b",
    "beta_v": "β_v",
    "beta_a": "β_a",
    "depth_scaling_w": "δ_w",
    "depth_scaling_b": "δ_b",
    "depth_scaling_v": "δ_v",
    "depth_scaling_a": "δ_a",
}


@dataclass(frozen=True)
class MapAxis:
    """One axis of a map.

    Attributes:
        name: its parameter. scale: ``linear``, ``log`` or ``categories``.
        centres: position of each value (0, 1, … for categories). edges: between the cells, one more than centres.
        ticks: the values as text. linked: parameters that have the same value in every cell (``@other`` in the YAML).
    """

    name: str
    scale: str
    centres: Float[np.ndarray, " cells"]
    edges: Float[np.ndarray, " cells+1"]
    ticks: tuple[str, ...]
    linked: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The axis in words."""
        return " = ".join(in_words(name) for name in (self.name, *self.linked))


def in_words(parameter: str) -> str:
    """What a figure and a table call a parameter."""
    return LABELS.get(parameter, parameter.replace("_", " "))


def map_axis(phase_map: xr.Dataset, which: str) -> MapAxis:
    """``which`` is ``x`` or ``y``. A log scale needs positive values, and is linear otherwise."""
    name = phase_map.attrs[f"{which}_axis"]
    values = phase_map[name].values
    if not np.issubdtype(values.dtype, np.number):
        centres = np.arange(len(values), dtype=float)
        return MapAxis(name, "categories", centres, _edges(centres), tuple(str(value) for value in values))
    centres = values.astype(float)
    scale = "log" if phase_map.attrs[f"{which}_scale"] == "log" and centres.min() > 0 else "linear"
    edges = np.exp(_edges(np.log(centres))) if scale == "log" else _edges(centres)
    # the statistics follow the batch size unless the YAML says otherwise: no news for the reader
    alike = [str(other) for other in phase_map.coords if other != name and phase_map[other].dims == (name,)]
    linked = tuple(
        other
        for other in alike
        if other in LABELS and other != "statistics_batch_size" and np.array_equal(phase_map[other].values, values)
    )
    return MapAxis(name, scale, centres, edges, tuple(number(value) for value in values), linked)


def _edges(centres: Float[np.ndarray, " cells"]) -> Float[np.ndarray, " cells+1"]:
    """Midpoints between neighbours; the outer cells reach as far out as in. A single cell is one unit wide."""
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def number(value: Any) -> str:
    """A grid value as a person writes it."""
    return f"{float(value):.6g}" if isinstance(value, (float, np.floating)) else str(value)
