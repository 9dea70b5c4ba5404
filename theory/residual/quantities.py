"""What the residual theory predicts of a network of each depth, one number each: for contours, rankings and advice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from phasemap.theory.residual.trace import PARAMETERS, ResidualTrace


def log_gradient_sum(trace: ResidualTrace) -> Float[np.ndarray, "*grid layers"]:
    """log of Σ (χ_w + χ_v) over blocks 1, …, l, with χ^(l) = 1; NaN at l = 0.

    The squared gradient of one output by all weights of the blocks of a network of depth l and constant width, divided
    by that width, for a read-out of variance 1/N: the blocks' part of the neural tangent kernel's diagonal, and so how
    fast plain SGD begins to move the output.
    """
    each = np.logaddexp(trace.log_chi_w[..., 1:], trace.log_chi_v[..., 1:])
    with np.errstate(invalid="ignore"):  # where p leaves the floats: NaN
        total = np.logaddexp.accumulate(each, axis=-1) - trace.log_chi[..., 1:]
    return np.concatenate([np.full_like(total[..., :1], np.nan), total], axis=-1)


def log_gradient_spread(trace: ResidualTrace) -> Float[np.ndarray, "*grid layers"]:
    """log of the largest mean squared gradient by one parameter of blocks 1, …, l over the smallest; NaN at l = 0.

    The maximum and the minimum are over all layers and all kinds of parameters, χ_w, χ_v, χ_a, χ_b, and χ_π at a
    projection. The mean squared gradients of the log-likelihood are the diagonal of the Fisher information matrix, so
    this ratio bounds its condition number from below. Source: Sec. 2 of "Deep Mean Field Theory".
    """
    return trace.log_gradient_spread(*PARAMETERS)


QUANTITIES: dict[str, tuple[str, Callable[[ResidualTrace], np.ndarray]]] = {
    "p": ("log p", lambda trace: trace.log_p),
    "s": ("log s", lambda trace: trace.log_s),
    "e": ("e", lambda trace: trace.e),
    "chi": ("log χ⁽⁰⁾/χ⁽ˡ⁾", lambda trace: trace.log_gradient_ratio()),
    "chi_w": ("log χ_w⁽¹⁾/χ_w⁽ˡ⁾", lambda trace: trace.log_gradient_ratio("w")),
    "chi_v": ("log χ_v⁽¹⁾/χ_v⁽ˡ⁾", lambda trace: trace.log_gradient_ratio("v")),
    "chi_w_spread": ("log max χ_w/min χ_w", lambda trace: trace.log_gradient_spread("w")),
    "chi_sum": ("log Σ(χ_w + χ_v)", log_gradient_sum),
    "gradient_spread": ("log max χ_•/min χ_•", log_gradient_spread),
}
"""By the name that a map's ``overlay`` gives: label, and values over the layers."""
