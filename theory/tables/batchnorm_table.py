"""The theory of batch-normalised networks as a table, one row for each setting (Yang et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from phasemap.theory.activations import Activation, as_activation
from phasemap.theory.arguments.grid import settings
from phasemap.theory.batchnorm.infinite_batch import limit_record
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.skip_connections import with_residual
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import number

if TYPE_CHECKING:
    import pandas as pd

SQUARED, RATE, LAYERS = "squared pre-activation", "factor a layer", "layers"
UNITS = {
    "batch_size": "samples",
    "q_star": SQUARED,
    "mu_star": SQUARED,
    "cross_batch_c_star": SQUARED,
    "c_star": "correlation",
    **{f"{way}_{space}": RATE for way in ("forward", "backward") for space in "GLM"},
    "cross_batch_rate": RATE,
    "rate": f"{RATE} towards the input, of the squared gradient",
    "depth_scale": LAYERS,
    "depth_scale_error": LAYERS,
    "critical_eps": SQUARED,
    "digits": "decimal digits",
    "residual_exponent": "power of the layer",
    "residual_transient_exponent": "power of the layer",
}
LEFT_OUT = ("reasons", "broken_symmetry", "activation", "eps", "sigma_w", "sigma_b", "batch_size")
"""Of a record: told in the column ``reason``, or the settings themselves."""


def batchnorm(
    activation: Any = "relu",
    batch_size: Any = 64,
    *,
    gamma: Any = 1.0,
    beta: Any = 0.0,
    slope: Any = 0.01,
    alpha: Any = 1.0,
    eps: Any = 0.0,
    sigma_w: Any = 1.0,
    sigma_b: Any = 0.0,
    method: str = "auto",
    look_beyond: bool = True,
) -> pd.DataFrame:
    """What the theory predicts for batch-normalised networks, one row for each combination of the settings.

    Args:
        activation: names as on the command line, or ``Activation`` objects; one or several, as every argument.
        batch_size: samples per BN statistic, at least 3; ``float("inf")`` for the limit.
        gamma, beta: of BN, φ(γ·z + β). slope: of leaky-relu. alpha: of alpha-relu and elu.
        eps: of BN; 0 is the paper's theory, and networks of ``phasemap run`` have 0.001.
        sigma_w, sigma_b: weights ~ N(0, σ_w²/fan_in), biases ~ N(0, σ_b²).
        method, look_beyond: as ``batchnorm_record``; looking for BSB2 takes seconds where BSB1 repels.

    Returns:
        The settings, then the quantities of `phasemap theory batchnorm --json` with ``forward.G`` spelt ``forward_G``;
        what does not exist is missing, and ``reason`` says why. ``attrs["units"]`` has the units by column,
        ``attrs["source"]`` the paper.

    Raises:
        InputError: a value out of range, an unknown activation, a batch of one or two samples, too many settings.
    """
    import pandas as pd

    given = {"activation": activation, "batch_size": batch_size, "gamma": gamma, "beta": beta}
    given |= {"slope": slope, "alpha": alpha, "eps": eps, "sigma_w": sigma_w, "sigma_b": sigma_b}
    rows = [_row(setting, method, look_beyond) for setting in settings(given)]
    table = pd.DataFrame(rows)
    table.attrs["units"] = {name: unit for name, unit in UNITS.items() if name in table}
    table.attrs["source"] = "Yang et al. 2019, A Mean Field Theory of Batch Normalization"
    return table


def record_of_size(
    phi: Activation, batch_size: float, *, method: str = "auto", look_beyond: bool = True, **scales: float
) -> dict[str, Any]:
    """``batchnorm_record``, or its limit for an infinite batch, with the exponents of residual networks.

    Args:
        scales: ``eps``, ``sigma_w``, ``sigma_b``.

    Raises:
        InputError: as the records.
    """
    if math.isinf(batch_size):
        return with_residual(limit_record(phi, **scales), limit_record(phi))
    if not float(batch_size).is_integer():
        raise InputError(f"batch_size {batch_size}: expected an integer, or inf")
    found = batchnorm_record(phi, int(batch_size), method=method, look_beyond=look_beyond, **scales)
    at_zero = batchnorm_record(phi, int(batch_size), method=method) if scales.get("eps") else found
    return with_residual(found, at_zero)


def _row(setting: Mapping[str, Any], method: str, look_beyond: bool) -> dict[str, Any]:
    numbers = {name: number(name, setting[name]) for name in ("gamma", "beta", "slope", "alpha")}
    phi = as_activation(
        setting["activation"],
        scale=numbers["gamma"],
        shift=numbers["beta"],
        slope=numbers["slope"],
        alpha=numbers["alpha"],
    )
    scales = {name: number(name, setting[name]) for name in ("eps", "sigma_w", "sigma_b")}
    found = record_of_size(
        phi, number("batch_size", setting["batch_size"]), method=method, look_beyond=look_beyond, **scales
    )
    reason = "; ".join(f"{name}: {why}" for name, why in found["reasons"].items())
    named = setting["activation"]
    shown = {**setting, "activation": named if isinstance(named, str) else named.label}
    return {**shown, **dict(_flat(found)), "reason": reason}


def _flat(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if name in LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            yield from ((f"{name}_{inner}", one) for inner, one in value.items())
        else:
            yield name, value
