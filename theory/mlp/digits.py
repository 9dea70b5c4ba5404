"""How many digits of a solution are right: the error of the expectations, and what it does to every number."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.homogeneous import homogeneous
from phasemap.theory.integrals.gaussian_closed_forms import ErfMixture
from phasemap.theory.integrals.gaussian_moments import Array, Transforms
from phasemap.theory.integrals.gaussian_quadrature import Quadrature
from phasemap.theory.integrals.gaussian_transforms import transforms
from phasemap.theory.integrals.slope_covariance import slope_of
from phasemap.theory.integrals.tanh_as_erf_mixture import NODES, tanh_mixture
from phasemap.theory.mlp.solution import Solution

ROUNDING = 2e-15
"""Of an expectation in closed form."""
NUMBERS = ("q_star", "length_rate", "chi_1", "chi_1_dropout", "chi_c", "xi_q", "xi_c", "xi_grad")


def moment_error(phi: Activation, seen: float, delta: float) -> float:
    """Relative error of E φ², E φ′² and, at a distance δ > 0, of D and E φ′φ′: the difference of two resolutions.

    Raises:
        InputError: φ needs quadrature, and it does not converge.
    """
    rule = transforms(phi)
    place = (np.array([seen]), np.array([seen * delta]), np.array([seen * (1 - delta)]))
    if isinstance(rule, ErfMixture) and phi.label == "tanh":
        return max(ROUNDING, _difference(rule, _finer_tanh(), place))
    if not isinstance(rule, Quadrature):
        return ROUNDING
    error = ROUNDING
    if homogeneous(phi) is None:
        once, twice = (np.array(Quadrature(phi, finer).lengths(seen))[[0, 2]] for finer in (1.0, 0.5))
        error = max(error, float(np.max(np.abs(once - twice) / np.maximum(twice, np.finfo(float).tiny))))
    if delta > 0:
        for each in (phi, slope_of(phi)):
            error = max(error, _difference(Quadrature(each), Quadrature(each, 0.5), place))
    return error


@lru_cache
def _finer_tanh() -> ErfMixture:
    return ErfMixture.of(*tanh_mixture(NODES + 6))


def _difference(one: Transforms, other: Transforms, place: tuple[Array, Array, Array]) -> float:
    """The largest of V and of D = V − W, relative to V."""
    first, second = one(*place), other(*place)
    size = np.maximum(np.abs(second.v), np.finfo(float).tiny)
    return float(np.max([np.abs(first.v - second.v) / size, np.abs(first.gap - second.gap) / size]))


def digits(found: Solution, shifted: Solution) -> int | None:
    """Decimal digits that the two solutions of one point have in common in every number; of c*, behind the point.

    Args:
        shifted: the solution at a weight variance that differs by the error of the expectations.
    """
    errors = []
    for name in NUMBERS:
        one, other = float(getattr(found, name)), float(getattr(shifted, name))
        if np.isfinite(one) and np.isfinite(other) and one != 0:
            errors.append(abs(one - other) / abs(one))
    if np.isfinite(found.distance) and np.isfinite(shifted.distance):
        errors.append(float(abs(found.distance - shifted.distance)))
    return max(0, int(np.floor(-np.log10(max(*errors, 1e-16))))) if errors else None
