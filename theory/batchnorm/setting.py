"""All that the depth scale of a BN network depends on, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from phasemap.theory.activations import Activation, as_activation
from phasemap.theory.ranges import number


@dataclass(frozen=True)
class Setting:
    """All that the depth scale depends on: φ(γ·z + β) after BN with ε, and W ~ N(0, σ_w²/fan_in).

    Attributes:
        activation: as ``phasemap.theory.activations.activation`` names it, with ``slope`` and ``alpha``; or an
            ``Activation``, which γ and β are applied to.
        batch_size: samples per BN statistic; infinite for the limit.
    """

    activation: Any
    batch_size: int | float
    gamma: float = 1.0
    beta: float = 0.0
    eps: float = 0.0
    sigma_w: float = 1.0
    slope: float = 0.01
    alpha: float = 1.0

    @classmethod
    def of(cls, network: Mapping[str, Any]) -> Setting:
        """The setting of a network's parameters, as a tile, a cell or a column of a map spells them."""
        numbers = {name: float(network[name]) for name in ("gamma", "beta", "eps", "sigma_w", "slope", "alpha")}
        return cls(str(network["activation"]), int(network["statistics_batch_size"]), **numbers)

    @property
    def phi(self) -> Activation:
        """φ with γ and β bound."""
        given = self.activation if isinstance(self.activation, (str, Activation)) else as_activation(self.activation)
        numbers = {name: number(name, getattr(self, name)) for name in ("gamma", "beta", "slope", "alpha")}
        return _phi(given, **numbers)

    def with_(self, parameter: str, value: float) -> Setting:
        """The same with another γ, β, ε or batch size."""
        changed: dict[str, Any] = {parameter: value}
        return replace(self, **changed)


@lru_cache(maxsize=256)  # one object for one φ: its table of moments is found again
def _phi(named: str | Activation, gamma: float, beta: float, slope: float, alpha: float) -> Activation:
    return as_activation(named, scale=gamma, shift=beta, slope=slope, alpha=alpha)
