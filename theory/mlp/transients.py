"""Layer by layer from the data: lengths, correlations and gradients before they have settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import as_activation
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.length_moments import length_moments
from phasemap.theory.mlp.correlation_map import next_distance
from phasemap.theory.mlp.setting import Setting
from phasemap.theory.ranges import wrong

Layers = Float[np.ndarray, " layers"]


@dataclass(frozen=True)
class Transient:
    """Arrays over l = 0, …, L: the inputs, and the pre-activations z of layers 1 to L.

    Attributes:
        q: mean square of an input's coordinates, then variance of z; ∞ where it exceeds every float.
        distance: 1 − c, with c the correlation of two inputs of this mean square, and of their z; NaN at q = 0 and ∞.
        chi: χ₁/ρ of layer l, by which the mean squared gradient by z is multiplied from layer l + 1 to l; NaN at l = 0.
    """

    q: Layers
    distance: Layers
    chi: Layers

    @property
    def c(self) -> Layers:
        """The correlation."""
        return 1 - self.distance

    @property
    def log_gradient(self) -> Layers:
        """ln of the mean squared gradient by z of layer l, 0 at layer L; NaN at l = 0."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.chi[1:-1])
        return np.concatenate([[np.nan], np.cumsum(logs[::-1])[::-1], [0.0]])

    def as_lists(self) -> dict[str, list[float | None]]:
        """By name; None where a number does not exist or is infinite."""
        columns = {"q": self.q, "c": self.c, "chi": self.chi, "log_gradient": self.log_gradient}
        return {
            name: [float(value) if np.isfinite(value) else None for value in values] for name, values in columns.items()
        }


def transient(
    activation: Any,
    layers: int,
    *,
    sigma_w: float,
    sigma_b: float = 0.0,
    keep: float = 1.0,
    norm: str = "none",
    eps: float = 0.0,
    q0: float = 1.0,
    c0: float = 0.5,
) -> Transient:
    """Follows two inputs of mean square ``q0`` and correlation ``c0``. Dropout drops no input.

    Raises:
        InputError: a value out of range, or φ needs quadrature and it does not converge.
    """
    phi, setting = as_activation(activation), Setting.of(sigma_w, sigma_b, keep, norm, eps)
    given = {"layers": ("depth", layers), "q0": ("q0", q0), "c0": ("c0", c0)}
    if mistakes := [line for named, (name, value) in given.items() for line in wrong(name, value, named)]:
        raise InputError(*mistakes)
    q, distance, chi = np.full((3, int(layers) + 1), np.nan)
    q[0], distance[0] = q0, 1 - c0
    length = setting.weight * q0 + setting.bias
    delta = np.divide(setting.weight * q0 * (1 - c0), length, out=np.full(1, np.nan), where=length > 0)
    for layer in range(1, len(q)):
        q[layer], distance[layer] = length[0], delta[0]
        if not 0 < length[0] < np.inf:
            q[layer:] = length[0]
            break
        seen = setting.seen(length)
        moments = length_moments(phi, seen)
        chi[layer] = (setting.gain * setting.factor(length) * moments.slopes)[0]
        after = setting.next_length(moments)
        if 0 < after[0] < np.inf:
            with np.errstate(over="ignore", invalid="ignore"):
                further = np.clip(next_distance(phi, setting, seen, after, delta), 0.0, 2.0)
        else:
            further = np.full(1, np.nan)
        if after[0] == length[0] and (further[0] == delta[0] or layer == len(q) - 1):
            q[layer:], distance[layer:], chi[layer:] = length[0], delta[0], chi[layer]
            break
        length, delta = after, further
    return Transient(q, distance, chi)
