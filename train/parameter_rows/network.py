"""Parameters of networks that several families share; a family takes those that it has."""

from __future__ import annotations

from collections.abc import Mapping

from phasemap.theory.user_code import is_user_code
from phasemap.train.parameter_rows.row import Parameter, in_range


def _built_in() -> tuple[str, ...]:
    from phasemap.theory.activations import BUILT_IN  # imports numpy, for which `phasemap list` need not wait

    return BUILT_IN


SHARED: Mapping[str, Parameter] = {
    "depth": Parameter(
        int,
        10,
        "hidden layers, or residual blocks",
        **in_range("depth"),
        stackable=True,
        unit="layers",
        other_names=("layers", "blocks", "L"),
    ),
    "width": Parameter(
        int,
        128,
        "units in every hidden layer",
        **in_range("width"),
        unit="units",
        other_names=("hidden", "hidden_size", "hidden_dim", "units", "N"),
    ),
    "activation": Parameter(
        str,
        "relu",
        "the activation function",
        lambda value: is_user_code(value) or value in _built_in(),
        lambda: f"one of {', '.join(_built_in())}, or path/to/file.py:name",
        other_names=("act", "act_fn", "phi", "nonlinearity"),
    ),
    "slope": Parameter(
        float, 0.01, "slope of leaky-relu below zero", **in_range("slope"), other_names=("negative_slope", "leak")
    ),
    "alpha": Parameter(
        float, 1.0, "exponent of alpha-relu, or alpha of elu", **in_range("alpha"), other_names=("exponent", "power")
    ),
    "gamma": Parameter(
        float, 1.0, "initial scale of BN", **in_range("gamma"), stackable=True, other_names=("scale", "bn_scale")
    ),
    "beta": Parameter(
        float, 0.0, "initial shift of BN", **in_range("beta"), stackable=True, other_names=("shift", "bn_shift")
    ),
    "eps": Parameter(
        float,
        1e-3,
        "added to the variance in BN or layer normalisation",
        **in_range("eps"),
        stackable=True,
        other_names=("epsilon", "bn_eps"),
    ),
    "train_bn": Parameter(
        bool, True, "train gamma and beta of BN (false: freeze them)", other_names=("affine", "freeze_bn")
    ),
    "sigma_w": Parameter(
        float,
        1.0,
        "hidden weights are N(0, sigma_w^2/fan_in)",
        **in_range("sigma_w"),
        stackable=True,
        other_names=("sigma", "weight_std", "weight_scale"),
    ),
}


def shared(*names: str) -> dict[str, Parameter]:
    """Some rows of ``SHARED``."""
    return {name: SHARED[name] for name in names}
