"""What a monitor recorded, as arrays, and the numbers that follow from it: slopes by layer, and how level a curve is.

Everything is in natural logarithms of norms. Slopes are per layer *towards the input*: positive where a magnitude grows
from the last layer to the first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.stats import t as student

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import gradient_explosion_rate
from phasemap.theory.errors import InputError
from phasemap.train.monitors.layer_monitor import QUANTITIES
from phasemap.train.result_types import Content

Array = NDArray[np.float64]
LEVEL = 0.95  # of the intervals
EDGE = 4  # a slope is fitted to the middle half: a quarter (1/EDGE) of the layers is left out at either end


@dataclass(frozen=True)
class LayerSeries:
    """The records of networks that differ in their seed only.

    Attributes:
        parameters: of the networks, without the seed.
        steps: at which was recorded, before the update of that step.
        layers: names, from the input to the output.
        log: by quantity, ln of the norm; NaN where it is zero, not finite or not recorded.
    """

    parameters: dict[str, Any]
    seeds: tuple[int, ...]
    steps: Int[np.ndarray, " steps"]
    layers: tuple[str, ...]
    log: dict[str, Float[np.ndarray, "seeds steps layers"]]

    def relative(self, quantity: str) -> Float[np.ndarray, "seeds steps layers"]:
        """ln of the norm over that of the last layer, at the same step in the same network."""
        values = self.log[quantity]
        return values - values[:, :, -1:]

    @property
    def middle(self) -> slice:
        """The layers that a slope is fitted to."""
        edge = len(self.layers) // EDGE
        return slice(edge, len(self.layers) - edge)


@dataclass(frozen=True)
class Slope:
    """A mean over seeds with its Student interval; ``low`` and ``high`` are None for a single seed, and where the mean
    is NaN because some network has no value."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "–"
        interval = f" ({self.low:.3f} to {self.high:.3f})" if self.low is not None and self.high is not None else ""
        return f"{self.value:.3f}{interval}"


def series(contents: Iterable[Content]) -> list[LayerSeries]:
    """One entry for each setting that was monitored, in the order of the depth and then of the settings.

    Raises:
        InputError: no cell was monitored, or the seeds of one setting have different records.
    """
    groups: dict[str, dict[int, Mapping[str, Any]]] = {}
    for content in contents:
        for cell in content["cells"]:
            if "monitor" in cell:
                rest = {name: value for name, value in cell["parameters"].items() if name != "seed"}
                groups.setdefault(json.dumps(rest), {})[int(cell["seed"])] = cell["monitor"]
    if not groups:
        raise InputError("picture: no result holds a monitor's records; set monitor to step or epoch")
    found = []
    for setting, by_seed in groups.items():
        seeds = tuple(sorted(by_seed))
        first = by_seed[seeds[0]]
        if any(by_seed[seed][key] != first[key] for seed in seeds for key in ("step", "layer")):
            raise InputError(f"picture: the seeds of one setting were recorded at different steps: {setting}")
        log = {
            quantity: np.array([by_seed[seed][f"log_{quantity}"] for seed in seeds], dtype=float)
            for quantity in QUANTITIES
        }
        layers = tuple(str(name) for name in first["layer"])
        found.append(LayerSeries(json.loads(setting), seeds, np.array(first["step"]), layers, log))
    return sorted(found, key=lambda one: len(one.layers))


def slope(values: Float[np.ndarray, "seeds layers"]) -> Slope:
    """Least-squares slope of ``values`` towards the input, its mean over seeds and interval."""
    towards_input = -np.arange(values.shape[1], dtype=float)
    centred = towards_input - towards_input.mean()
    return mean((values * centred).sum(1) / (centred**2).sum())


def mean(each: Float[np.ndarray, " seeds"]) -> Slope:
    """The mean over seeds with its interval."""
    count, value = len(each), float(np.mean(each))
    if count < 2 or not np.isfinite(each).all():
        return Slope(value, None, None)
    half = float(student.ppf((1 + LEVEL) / 2, count - 1) * np.std(each, ddof=1) / math.sqrt(count))
    return Slope(value, value - half, value + half)


def predicted_slope(parameters: Mapping[str, Any]) -> float | None:
    """½·ln λ_G↓, the growth of a gradient's norm by one layer towards the input (Thm 3.9, Yang et al. 2019); None where
    the theory has no such rate."""
    try:
        phi = activation(
            parameters["activation"],
            scale=parameters["gamma"],
            shift=parameters["beta"],
            slope=parameters["slope"],
            alpha=parameters["alpha"],
        )
        rate = gradient_explosion_rate(
            phi, parameters["statistics_batch_size"], eps=parameters["eps"], sigma_w=parameters["sigma_w"]
        )
    except (InputError, KeyError):
        return None
    return 0.5 * math.log(rate) if rate and math.isfinite(rate) and rate > 0 else None


def at_step(one: LayerSeries, quantity: str, step: int) -> Float[np.ndarray, "seeds layers"]:
    """The recorded logarithms at one step. Raises InputError if it was not recorded."""
    index = np.flatnonzero(one.steps == step)
    if not len(index):
        raise InputError(f"picture: step {step} was not recorded")
    values: Array = one.log[quantity][:, index[0]]
    return values
