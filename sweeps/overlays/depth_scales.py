"""Over how many layers batch-normalised networks forget: depth scales of the forward pass, rivals of the gradient's ξ.

Near the fixed point BSB1 of the covariance of a batch, each layer multiplies a perturbation by the eigenvalue λ↑ of its
eigenspace: L (unequal variances of the samples) or M (correlations within the batch). The covariance of two batches
changes by λ_CB near its own fixed point. All are rates of squares, as the gradient's is: over −1/ln|λ| layers such a
difference dies out by a factor e. Yang et al. 2019, Thms 3.8 (L, M) and 3.11 (cross-batch).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError

GRADIENT = "ξ_G (gradient explosion)"
PARAMETERS = ("activation", "slope", "alpha", "gamma", "beta", "eps", "sigma_w", "statistics_batch_size")
"""All that the theory depends on."""
_KNOWN: dict[tuple[Any, ...], Mapping[str, Any]] = {}
RATES = {
    "ξ_L (forward, L)": ("forward", "L"),
    "ξ_M (forward, M)": ("forward", "M"),
    "ξ_CB (cross-batch)": ("cross_batch", "rate"),
}
"""Where ``batchnorm_record`` has the rate of each scale."""


def forward_scales(
    columns: Sequence[tuple[Activation, Mapping[str, Any]]],
) -> dict[str, Float[np.ndarray, " columns"]]:
    """−1/ln|λ| of each column's networks by name, in layers.

    NaN where there is no scale: λ does not exist, is 0, or is at least 1; and where BSB1 repels, so that networks are
    elsewhere.

    Args:
        columns: the activation with γ and β, and all parameters that the theory needs, statistics_batch_size, eps and
            sigma_w among them.
    """
    records = [_at_bsb1(phi, column) for phi, column in columns]
    return {name: np.array([_scale(record, *place) for record in records]) for name, place in RATES.items()}


def record_of(phi: Activation, column: Mapping[str, Any]) -> Mapping[str, Any]:
    """All that the theory says of a column's networks; of equal columns it is computed once.

    Raises:
        InputError: as ``batchnorm_record``.
    """
    key = (phi.label, *sorted((name, value) for name, value in column.items() if name in PARAMETERS))
    if key not in _KNOWN:
        from phasemap.theory.batchnorm.record import batchnorm_record

        samples, eps, sigma_w = int(column["statistics_batch_size"]), float(column["eps"]), float(column["sigma_w"])
        _KNOWN[key] = batchnorm_record(phi, samples, eps=eps, sigma_w=sigma_w, look_beyond=True)
    return _KNOWN[key]


def _at_bsb1(phi: Activation, column: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known at BSB1, if networks stay there; else nothing."""
    try:
        record = record_of(phi, column)
    except (InputError, ValueError, ArithmeticError):
        return {}
    return {} if record["stable"] is False else record


def _scale(record: Mapping[str, Any], part: str, key: str) -> float:
    rate = record[part][key] if record else None
    return -1 / float(np.log(abs(rate))) if rate is not None and 0 < abs(rate) < 1 else float("nan")
