"""The correlation map: how alike two inputs of one length become, as δ = 1 − c, which keeps its digits as c → 1.

    δ′ = σ_w²·((1/ρ − 1)·V(s) + D(s, s·δ))/q′,   D = ½E(φ(h) − φ(h̃))², h and h̃ of variance s and correlation c.

As a function of c it is a power series without negative coefficients, so δ′ is concave in δ and has one root δ* in
[0, 1] that attracts, and δ′/δ is convex. Newton's method on δ′ − δ comes from above δ* and never passes it; on δ′/δ − 1
it comes from below. The second needs few steps also where δ* is almost 0, where the first halves δ.
"""

from __future__ import annotations

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.gaussian_transforms import transforms
from phasemap.theory.integrals.slope_covariance import slope_covariance
from phasemap.theory.mlp.setting import Setting

STEPS = 100


def next_distance(phi: Activation, setting: Setting, seen: Array, after: Array, delta: Array) -> Array:
    """δ′ of the next layer, whose length is ``after``; ``seen`` is s. All of shape [n]."""
    found = transforms(phi)(seen, seen * delta, seen * (1 - delta))
    return setting.weight * ((1 / setting.keep - 1) * found.v + found.gap) / after


def slope_product(phi: Activation, seen: Array, delta: Array) -> Array:
    """E φ′(h)φ′(h̃)."""
    return slope_covariance(phi, seen, seen * delta, seen * (1 - delta))


def fixed_distance(phi: Activation, setting: Setting, seen: Array, after: Array) -> Array:
    """δ* [n] where it is above 0, at the lengths that the map keeps: χ₁ > 1, or ρ < 1.

    Raises:
        InputError: φ needs quadrature, and it does not converge.
    """
    delta, going = np.ones(len(seen)), np.arange(len(seen))
    was_below = np.zeros(len(seen), dtype=bool)
    for _ in range(STEPS):
        if not len(going):
            break
        here, s, q, old = setting[going], seen[going], after[going], delta[going]
        image = next_distance(phi, here, s, q, old)
        slope = here.weight * slope_product(phi, s, old) * s / q
        with np.errstate(all="ignore"):
            down = old - (image - old) / (slope - 1)
            up = np.minimum(old * (1 + (image - old) / (image - slope * old)), 1.0)
        below = image >= old
        new = np.where(below | (up > 0), up, down)
        goes = np.isfinite(new) & (new > 0) & (np.abs(new - old) > 2e-16 * old) & (below | ~was_below[going])
        delta[going] = np.where(goes, new, old)
        was_below[going] |= below
        going = going[goes]
    return delta
