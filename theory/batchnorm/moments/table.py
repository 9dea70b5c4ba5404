"""Moments of one BN layer as functions of the scale t ∈ [0, 1], interpolated: what ε > 0 needs at many t.

With ε > 0 every quantity is an average over the radius ρ of moments at t(ρ), and the fixed point needs that average
again and again. Moments at Chebyshev nodes give them at every t to rounding; ε and σ_w enter only through the average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation, value_at_zero
from phasemap.theory.batchnorm.moments.gegenbauer import gegenbauer_moments
from phasemap.theory.batchnorm.moments.laplace import homogeneous_moments
from phasemap.theory.batchnorm.moments.moments import FACTORS, INDEX, NAMES, SQUARE, Moments, stack
from phasemap.theory.batchnorm.moments.radial_average import rough_scales
from phasemap.theory.batchnorm.moments.spherical import spherical_moments
from phasemap.theory.homogeneous import homogeneous

MomentsFunction = Callable[[Activation, int, Float[np.ndarray, " t"]], tuple[Moments, Moments]]

METHODS: dict[str, MomentsFunction] = {
    "laplace": homogeneous_moments,
    "gegenbauer": gegenbauer_moments,
    "spherical": spherical_moments,
}
KINKED_SERIES_FROM = 16  # batch size from which the series of a kinked φ converges to rounding
# f vanishes like t at t = 0: interpolating f/t and f²/t² keeps the relative precision of a signal that collapses
POWERS = np.where(INDEX["ff"] == SQUARE, FACTORS, 0).astype(float)
DENSE = 4097
FEWEST_NODES, MOST_NODES = 32, 512


def kinks_in_reach(activation: Activation, batch_size: int, scale: float = 1.0) -> bool:
    """Whether a normalised pre-activation, which is at most √(B−1)·scale, can meet a kink of φ."""
    return any(abs(k) < np.sqrt(batch_size - 1) * scale for k in activation.kinks)


def choose_method(activation: Activation, batch_size: int) -> str:
    """The method exact to rounding and fastest: closed forms, the series, or 2-D quadrature for kinks at small B."""
    if homogeneous(activation) is not None:
        return "laplace"
    kinked = batch_size < KINKED_SERIES_FROM and kinks_in_reach(activation, batch_size)
    return "spherical" if kinked else "gegenbauer"


def moments_at(
    activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"], method: str
) -> tuple[Moments, Moments]:
    """Moments at each scale by the named method, fine and coarse.

    Where no kink is in reach φ is smooth, and 2-D quadrature (exact but slow) gives way to the series.
    """
    if not activation.kinks or method == "laplace":
        return METHODS[method](activation, batch_size, scales)
    reached = np.array([kinks_in_reach(activation, batch_size, float(t)) for t in scales])
    parts = [(reached, activation, method), (~reached, replace(activation, kinks=()), "gegenbauer")]
    results = [(mask, METHODS[name](phi, batch_size, scales[mask])) for mask, phi, name in parts if mask.any()]
    order = np.argsort(np.concatenate([np.flatnonzero(mask) for mask, _ in results]), kind="stable")
    fine, coarse = (stack([pair[i] for _, pair in results]).take(order) for i in range(2))
    return fine, coarse


@dataclass(frozen=True)
class Table:
    """Interpolated moments of one activation at one batch size.

    Attributes:
        edges: pieces of [0, 1] in t, split where a kink comes into reach.
        fine, coarse: Chebyshev coefficients per piece, moments over t^POWERS.
        dense: (f² − f₁f₂)/t² at DENSE equidistant t, for cheap bracketing.
    """

    edges: Float[np.ndarray, " edges"]
    fine: tuple[Float[np.ndarray, "_ moments"], ...]
    coarse: tuple[Float[np.ndarray, "_ moments"], ...]
    dense: Float[np.ndarray, " dense"]

    def __call__(self, scales: Float[np.ndarray, " t"], *, coarse: bool = False) -> Moments:
        """The moments at each scale."""
        values = np.empty((scales.size, len(NAMES)))
        coefficients = self.coarse if coarse else self.fine
        piece = np.clip(np.searchsorted(self.edges, scales, side="right") - 1, 0, len(coefficients) - 1)
        for index, table in enumerate(coefficients):
            mask = piece == index
            if mask.any():
                values[mask] = self._piece(index, scales[mask], table)
        values *= scales[:, None] ** POWERS
        return Moments(values.T)

    def _piece(
        self, index: int, scales: Float[np.ndarray, " t"], table: Float[np.ndarray, "nodes moments"]
    ) -> Float[np.ndarray, "t moments"]:
        low, high = self.edges[index], self.edges[index + 1]
        unit = np.clip((scales - low) / (high - low), 0, 1)
        angle = _angle(unit, len(self.fine) > 1)
        return np.cos(angle[:, None] * np.arange(table.shape[0])) @ table

    def growth(
        self,
        batch_size: int,
        rho2: Float[np.ndarray, " r"],
        weights: Float[np.ndarray, " r"],
        eps: float,
        mu: Float[np.ndarray, " m"],
    ) -> Float[np.ndarray, " m"]:
        """g(μ)/(σ_w²·μ), approximately: E[(f² − f₁f₂)/t²·t²/μ]."""
        variance = mu[:, None] * rho2 / batch_size
        t2 = variance / (variance + eps)
        contrast = np.interp(np.sqrt(t2), np.linspace(0, 1, DENSE), self.dense)
        return (contrast * rho2 / batch_size / (variance + eps)) @ weights

    @property
    def ceiling(self) -> float:
        """A bound on g(μ)/σ_w²."""
        return float(self.dense.max())


@dataclass(frozen=True)
class PowerTable:
    """The same for positive-homogeneous φ of degree α, whose moments are powers of t: nothing is interpolated."""

    at_one: Moments
    alpha: float

    def __call__(self, scales: Float[np.ndarray, " t"], *, coarse: bool = False) -> Moments:
        """The moments at each scale."""
        return self.at_one.scaled(scales, self.alpha)

    def growth(
        self,
        batch_size: int,
        rho2: Float[np.ndarray, " r"],
        weights: Float[np.ndarray, " r"],
        eps: float,
        mu: Float[np.ndarray, " m"],
    ) -> Float[np.ndarray, " m"]:
        """g(μ)/(σ_w²·μ) with ρ² at the nodes given."""
        variance = mu[:, None] * rho2 / batch_size
        return self.ceiling * ((variance / (variance + eps)) ** self.alpha @ weights) / mu

    @property
    def ceiling(self) -> float:
        """g(∞)/σ_w²."""
        return float(self.at_one.ff[0] - self.at_one.f00[0])


def _angle(unit: Float[np.ndarray, " t"], split: bool) -> Float[np.ndarray, " t"]:
    """The Chebyshev angle of a point of a piece; s = sin² spacing first where the ends may be rough."""
    s = 2 / np.pi * np.arcsin(np.sqrt(unit)) if split else unit
    return np.arccos(np.clip(2 * s - 1, -1, 1))


@lru_cache(maxsize=512)
def table(activation: Activation, batch_size: int, method: str) -> Table | PowerTable:
    """The moments as functions of t. Where φ is too rough for the nodes, fine and coarse differ and show it."""
    if method == "laplace":
        assert activation.degree is not None
        return PowerTable(homogeneous_moments(activation, batch_size, np.ones(1))[0], float(activation.degree))
    reach = rough_scales(activation.kinks, batch_size)
    edges = np.array([0.0, *reach, 1.0])
    split = bool(reach)
    pairs = [_chebyshev(activation, batch_size, method, low, high, split) for low, high in pairwise(edges)]
    found = Table(edges, tuple(fine for fine, _ in pairs), tuple(coarse for _, coarse in pairs), np.zeros(DENSE))
    t = np.linspace(0, 1, DENSE)
    t[0] = t[1] / 1024
    moments = found(t)
    return replace(found, dense=(moments.ff - moments.f00) / t**2)


Coefficients = Float[np.ndarray, "_ moments"]


def _chebyshev(
    activation: Activation, batch_size: int, method: str, low: float, high: float, split: bool
) -> tuple[Coefficients, Coefficients]:
    """Coefficients on one piece; nodes double until the last ones are negligible. Coarse: of coarse moments.

    If they never are, the coarse ones come from half the nodes, so that the error of interpolation shows.
    """
    nodes, coarse = FEWEST_NODES, np.zeros((1, len(NAMES)))
    while True:
        angle = np.pi * (np.arange(nodes) + 0.5) / nodes
        s = (np.cos(angle) + 1) / 2
        t = low + (high - low) * (np.sin(np.pi * s / 2) ** 2 if split else s)
        pair = moments_at(activation, batch_size, t, method)
        transform = 2 / nodes * np.cos(np.arange(nodes)[:, None] * angle)
        transform[0] /= 2
        fine, rough = (transform @ (moments.rows.T / t[:, None] ** POWERS) for moments in pair)
        size = np.max(np.abs(fine), axis=0)
        tail = np.max(np.abs(fine[-nodes // 8 :]), axis=0)
        kind = size[SQUARE]
        rounding = 4e-15 * abs(value_at_zero(activation)) / t.min() / np.sqrt(max(kind[0], 1e-300))  # of φ(z) − φ(0)
        done = bool(np.all(tail <= np.maximum(1e-13, rounding) * kind))
        if done or nodes >= MOST_NODES:
            return fine, rough if done else coarse
        nodes, coarse = 2 * nodes, rough
