"""Parameters of networks that several families share; a family takes those that it has."""

from __future__ import annotations

from collections.abc import Mapping

from phasemap.theory.user_code import is_user_code
from phasemap.train.parameter_rows.row import POSITIVE, Parameter, at_least


def _built_in() -> tuple[str, ...]:
    from phasemap.theory.activations import BUILT_IN  # imports numpy, for which `phasemap list` need not wait

    return BUILT_IN


SHARED: Mapping[str, Parameter] = {
    "depth": Parameter(
        int, 10, "hidden layers (Linear, BN, activation), or residual blocks", **at_least(1), stackable=True
    ),
    "width": Parameter(int, 128, "units in every hidden layer", **at_least(1)),
    "activation": Parameter(
        str,
        "relu",
        "the activation function",
        lambda value: is_user_code(value) or value in _built_in(),
        lambda: f"one of {', '.join(_built_in())}, or path/to/file.py:name",
    ),
    "slope": Parameter(float, 0.01, "slope of leaky-relu below zero"),
    "alpha": Parameter(float, 1.0, "exponent of alpha-relu, or alpha of elu", **POSITIVE),
    "gamma": Parameter(float, 1.0, "initial scale of BN", stackable=True),
    "beta": Parameter(float, 0.0, "initial shift of BN", stackable=True),
    "eps": Parameter(float, 1e-3, "added to the variance in BN", **at_least(0), stackable=True),
    "train_bn": Parameter(bool, True, "train gamma and beta of BN (false: freeze them)"),
    "sigma_w": Parameter(float, 1.0, "hidden weights are N(0, sigma_w^2/fan_in)", **at_least(0), stackable=True),
}


def shared(*names: str) -> dict[str, Parameter]:
    """Some rows of ``SHARED``."""
    return {name: SHARED[name] for name in names}
