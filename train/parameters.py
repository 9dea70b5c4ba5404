"""The one table of parameters: what a tile can be told, by YAML, ``--set`` or ``phasemap train``, and what is valid.

A parameter is flat: a scalar, or a list if it is *stackable* (a stacked axis: the tile trains the product of its axes).
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from phasemap.theory.activations import BUILT_IN
from phasemap.theory.errors import InputError
from phasemap.theory.user_code import is_user_code
from phasemap.train.provenance import below_home

SEMANTICS = 1  # of a result: raised when the same parameters would mean a different training


@dataclass(frozen=True)
class Parameter:
    """One row of the table.

    Attributes:
        kind: bool, int, float or str.
        default: used where nothing is given; None with ``nullable`` means "not given".
        check, expected: the valid values, as a predicate and in words.
        stackable: whether a list makes a stacked axis.
        identity: whether the value changes the training (False for axes, metric and overlay of the picture).
        only: the architectures that have this parameter; empty for all.
        spelling: of a text, the one form that all its spellings are brought to.
    """

    kind: type
    default: Any
    help: str
    check: Callable[[Any], bool] = lambda value: True
    expected: str = ""
    stackable: bool = False
    nullable: bool = False
    identity: bool = True
    only: tuple[str, ...] = ()
    spelling: Callable[[str], str] = below_home

    def applies_to(self, architecture: str) -> bool:
        """Whether networks of the architecture have this parameter."""
        return not self.only or architecture in self.only


def _one_of(*choices: str) -> dict[str, Any]:
    return {"check": lambda value: value in choices, "expected": "one of " + ", ".join(choices)}


def _at_least(bound: int | float) -> dict[str, Any]:
    return {"check": lambda value: value >= bound, "expected": f"at least {bound}"}


_POSITIVE: dict[str, Any] = {"check": lambda value: value > 0, "expected": "more than 0"}
_ACTIVATION: dict[str, Any] = {
    "check": lambda value: value in BUILT_IN or is_user_code(value),
    "expected": f"one of {', '.join(BUILT_IN)}, or path/to/file.py:name",
}
BN_MLP, RESNET, VGG = ARCHITECTURES = ("bn-mlp", "resnet", "vgg19-bn")
DATA_SETS = ("digits", "mnist", "cifar10", "cifar100")
_DATA: dict[str, Any] = {
    "check": lambda value: value in DATA_SETS or value.endswith(".npz"),
    "expected": f"one of {', '.join(DATA_SETS)}, or path/to/file.npz",
}


def _decaying() -> dict[str, Parameter]:
    """Rows of the residual networks' standard deviations and decays: variance sigma^2 * layer^(-beta)."""
    names = {"w": "hidden weights", "b": "hidden biases", "v": "outer weights", "a": "outer biases"}
    rows = {
        f"sigma_{key}": Parameter(float, 1.0, f"scale of the {what}", **_at_least(0), stackable=True, only=(RESNET,))
        for key, what in names.items()
        if key != "w"
    }
    return rows | {
        f"beta_{key}": Parameter(float, 0.0, f"variance decay of the {what}", stackable=True, only=(RESNET,))
        for key, what in names.items()
    }


RESIDUAL_OVERLAYS = ("p", "s", "e", "chi", "chi_w", "chi_v", "chi_w_spread", "chi_sum")
"""Quantities of residual networks that can be drawn as contours (sweeps/overlays/residual.py)."""
_OVERLAY: dict[str, Any] = {
    "check": lambda value: (
        value in ("xi", "none") or (value.count("|") < 2 and all(q in RESIDUAL_OVERLAYS for q in value.split("|")))
    ),
    "expected": f"xi, none, or for residual networks one of {', '.join(RESIDUAL_OVERLAYS)}, or two of them, such as "
    "chi_w|p: the first left of each depth's best network, the second right of it",
}
PICTURES = ("map", "layers", "relative-gradients", "best-rates", "default-rates")
METRICS = ("test_accuracy", "test_accuracy_batch", "train_accuracy", "train_accuracy_batch", "test_loss", "train_loss")

TABLE: dict[str, Parameter] = {
    # the network
    "architecture": Parameter(str, "bn-mlp", "family of networks", **_one_of(*ARCHITECTURES)),
    "depth": Parameter(
        int,
        10,
        "hidden layers (Linear, BN, activation), or residual blocks",
        **_at_least(1),
        stackable=True,
        only=(BN_MLP, RESNET),
    ),
    "width": Parameter(int, 128, "units in every hidden layer", **_at_least(1), only=(BN_MLP,)),
    "activation": Parameter(str, "relu", "the activation function", **_ACTIVATION, only=(BN_MLP, RESNET)),
    "slope": Parameter(float, 0.01, "slope of leaky-relu below zero", only=(BN_MLP, RESNET)),
    "alpha": Parameter(float, 1.0, "exponent of alpha-relu", **_POSITIVE, only=(BN_MLP, RESNET)),
    "gamma": Parameter(float, 1.0, "initial scale of BN", stackable=True, only=(BN_MLP, VGG)),
    "beta": Parameter(float, 0.0, "initial shift of BN", stackable=True, only=(BN_MLP, VGG)),
    "eps": Parameter(float, 1e-3, "added to the variance in BN", **_at_least(0), stackable=True, only=(BN_MLP, VGG)),
    "train_bn": Parameter(bool, True, "train gamma and beta of BN (false: freeze them)", only=(BN_MLP, VGG)),
    "sigma_w": Parameter(
        float, 1.0, "hidden weights are N(0, sigma_w^2/fan_in)", **_at_least(0), stackable=True, only=(BN_MLP, RESNET)
    ),
    **_decaying(),
    "widths": Parameter(
        str,
        "128",
        "width schedule, such as 2048/2@16,25,36",
        stackable=True,
        only=(RESNET,),
        spelling=lambda text: text.replace(" ", ""),
    ),
    # the data
    "dataset": Parameter(str, "digits", "digits, mnist, cifar10, cifar100, or a .npz file", **_DATA),
    "train_size": Parameter(
        int, None, "training samples used (first of a fixed permutation)", **_at_least(3), nullable=True
    ),
    "test_size": Parameter(
        int, None, "test samples used (first of a fixed permutation)", **_at_least(3), nullable=True
    ),
    # the training
    "batch_size": Parameter(int, 64, "samples in one step", **_at_least(3)),
    "statistics_batch_size": Parameter(
        int,
        None,
        "samples in one BN statistic; divides batch_size, and is batch_size if not given",
        **_at_least(3),
        nullable=True,
    ),
    "optimizer": Parameter(str, "sgd", "optimizer", **_one_of("sgd", "rmsprop")),
    "lr": Parameter(float, None, "learning rate", **_POSITIVE, stackable=True, nullable=True),
    "lr_per_sample": Parameter(
        float, None, "learning rate / batch_size, instead of lr", **_POSITIVE, stackable=True, nullable=True
    ),
    "momentum": Parameter(float, 0.0, "heavy-ball momentum", lambda value: 0 <= value < 1, "in [0, 1)"),
    "weight_decay": Parameter(
        float, 5e-4, "added to the gradient, times the weight (of all parameters)", **_at_least(0), only=(VGG,)
    ),
    "schedule": Parameter(
        str,
        "constant",
        "of the learning rate: constant, or a tenth from half of the steps and a hundredth from three quarters",
        **_one_of("constant", "steps"),
        only=(VGG,),
    ),
    "augment": Parameter(bool, True, "random crops (margin 4) and flips of the training pictures", only=(VGG,)),
    "rmsprop_alpha": Parameter(float, 0.99, "RMSProp's smoothing constant", lambda value: 0 <= value < 1, "in [0, 1)"),
    "rmsprop_eps": Parameter(float, 1e-8, "RMSProp's epsilon, added to the root", **_POSITIVE),
    "epochs": Parameter(
        int, None, "passes over the training set (the last partial batch is dropped)", **_at_least(1), nullable=True
    ),
    "steps": Parameter(int, None, "steps, instead of epochs", **_at_least(1), nullable=True),
    "seed": Parameter(int, 0, "of the cell: initial weights and order of the data", **_at_least(0), stackable=True),
    "dtype": Parameter(
        str, "auto", "auto: float64 where gradients would overflow float32", **_one_of("auto", "float32", "float64")
    ),
    "tf32": Parameter(
        bool, None, "let a GPU compute float32 products in TF32 (10 bits of mantissa); off if not given", nullable=True
    ),
    "monitor": Parameter(
        str,
        None,
        "records every layer's magnitudes at every step, or at the first step of every epoch",
        **_one_of("step", "epoch"),
        nullable=True,
    ),
    # the picture
    "experiment": Parameter(str, "", "name of the experiment", identity=False),
    "picture": Parameter(
        str,
        "map",
        "what the report draws: the heat map, or what a monitor recorded",
        **_one_of(*PICTURES),
        identity=False,
    ),
    "x_axis": Parameter(str, "batch_size", "parameter along the map's horizontal axis", identity=False),
    "y_axis": Parameter(str, "depth", "parameter along the map's vertical axis", identity=False),
    "x_scale": Parameter(str, "linear", "scale of the horizontal axis", **_one_of("linear", "log"), identity=False),
    "y_scale": Parameter(str, "linear", "scale of the vertical axis", **_one_of("linear", "log"), identity=False),
    "metric": Parameter(str, "test_accuracy", "what the heat map shows", **_one_of(*METRICS), identity=False),
    "overlay": Parameter(str, "xi", "predicted quantity drawn on the map", **_OVERLAY, identity=False),
    "overlay_factor": Parameter(
        float, 16.0, "the paper's multiple of the overlay's depth scale", **_POSITIVE, identity=False
    ),
}
STACKABLE = tuple(name for name, row in TABLE.items() if row.stackable)


def unknown_key(name: str, known: Mapping[str, Any] | tuple[str, ...], what: str = "parameter") -> str:
    """The line that says that ``name`` is unknown, with the nearest known names."""
    near = difflib.get_close_matches(name, list(known), n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"unknown {what} {name!r}{hint}"


def _scalar(name: str, row: Parameter, value: Any) -> Any:
    """``value`` in the row's type; accepts the strings and e-notation that W&B hands over; ValueError in words."""
    if isinstance(value, str) and row.kind is not str:
        text = value.strip()
        if text.lower() in ("", "none", "null"):
            value = None
        elif row.kind is bool:
            value = {"true": True, "false": False}.get(text.lower(), value)
        else:
            try:
                value = int(text) if row.kind is int else float(text)
            except ValueError:
                try:
                    value = float(text)
                except ValueError:
                    raise ValueError(f"{name}: {value!r} is not {_article(row.kind)}") from None
    if value is None:
        if row.nullable:
            return None
        raise ValueError(f"{name}: null is not allowed; expected {_article(row.kind)}")
    if row.kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if row.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, row.kind) or (row.kind is not bool and isinstance(value, bool)):
        raise ValueError(f"{name}: {value!r} is not {_article(row.kind)}")
    if row.kind is float and not math.isfinite(cast(float, value)):
        raise ValueError(f"{name}: {value!r} is not finite")
    if row.kind is float:
        value = cast(float, value) + 0.0  # -0.0 is 0.0
    if row.kind is str:
        value = row.spelling(cast(str, value))
    if not row.check(value):
        raise ValueError(f"{name}: {value!r}: expected {row.expected}")
    return value


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]


def _value(name: str, row: Parameter, value: Any) -> Any:
    """A scalar, the list of a stacked axis, or a reference such as ``@beta_w``. Raises ValueError in words, a line for
    every wrong entry of a list."""
    if isinstance(value, str) and value.startswith("@"):
        target = TABLE.get(value[1:])
        if not row.stackable or target is None or not target.stackable or target.kind is not row.kind:
            raise ValueError(f"{name}: {value!r}: expected @ and the name of another stackable parameter of its kind")
        return value
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError(f"{name}: {value!r} is not a list such as [1, 2, 3]") from None
    if not isinstance(value, (list, tuple)):
        return _scalar(name, row, value)
    if not row.stackable:
        raise ValueError(f"{name}: a list is not allowed here; stackable are {', '.join(STACKABLE)}")
    values, wrong = [], []
    for entry in value:
        try:
            values.append(_scalar(name, row, entry))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(dict.fromkeys(wrong)))
    if not values:
        raise ValueError(f"{name}: the list is empty")
    if len(set(values)) < len(values):
        raise ValueError(f"{name}: {values} holds a value twice")
    return values


def normalise(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The tile's parameters, complete, in the table's order and in canonical types.

    ``lr_per_sample`` becomes ``lr`` = lr_per_sample·batch_size, so that both spellings name the same training. A value
    such as ``@beta_w`` follows another parameter, cell by cell: two parameters swept together are one axis.

    Raises:
        InputError: one line for every mistake in ``raw``.
    """
    values, mistakes = checked(raw)
    if mistakes:
        raise InputError(*mistakes)
    return values


def checked(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What `normalise` gives, with the default in place of what is wrong; and every mistake.

    A mistake between parameters is told only if each of them is right by itself.
    """
    mistakes = [unknown_key(name, TABLE) for name in raw if name not in TABLE]
    values: dict[str, Any] = {}
    wrong = set()
    for name, row in TABLE.items():
        try:
            values[name] = _value(name, row, raw[name]) if name in raw else row.default
        except ValueError as error:
            mistakes += str(error).splitlines()
            wrong.add(name)
            values[name] = row.default
    mistakes += [message for message in _together(values) if wrong.isdisjoint(re.findall(r"\w+", message))]
    values = {name: value for name, value in values.items() if TABLE[name].applies_to(values["architecture"])}
    for name, of in _references(values).items():
        if not isinstance(target := values.get(of, TABLE[name].default), list):
            values[name] = target
    per_sample = values.pop("lr_per_sample")
    if isinstance(per_sample, list):
        values["lr"] = [_times(rate, values["batch_size"]) for rate in per_sample]
    elif per_sample is not None:
        values["lr"] = _times(per_sample, values["batch_size"])
    values["statistics_batch_size"] = values["statistics_batch_size"] or values["batch_size"]
    values["tf32"] = values["tf32"] or None  # false is what is done anyway: the same training has one identity
    return values, mistakes


def _times(rate: float, batch_size: int) -> float:
    """rate·batch_size as a person would write it: 3e-5·10 is 0.0003, not 0.00030000000000000003."""
    return float(f"{rate * batch_size:.12g}")


def _together(values: Mapping[str, Any]) -> list[str]:
    """What is wrong between parameters that are valid one by one."""
    mistakes = []
    architecture = values["architecture"]
    for name, row in TABLE.items():
        if not row.applies_to(architecture) and values[name] != row.default:
            owners = " and ".join(row.only) + (" has" if len(row.only) == 1 else " have")
            mistakes.append(f"{name}: architecture {architecture} has no such parameter (only {owners})")
    references = _references(values)
    for name, target in references.items():
        if target in references:
            mistakes.append(f"{name}: {values[name]!r} refers to a parameter that itself refers to another")
        if not TABLE[target].applies_to(architecture):
            mistakes.append(f"{name}: {values[name]!r}: architecture {architecture} has no {target}")
    if (values["lr"] is None) == (values["lr_per_sample"] is None):
        mistakes.append("lr, lr_per_sample: give exactly one of them")
    if (values["epochs"] is None) == (values["steps"] is None):
        mistakes.append("epochs, steps: give exactly one of them")
    batch_size, statistics = values["batch_size"], values["statistics_batch_size"] or values["batch_size"]
    if batch_size % statistics:
        mistakes.append(f"statistics_batch_size: {statistics} does not divide batch_size {batch_size}")
    if architecture == VGG and batch_size != statistics:
        mistakes.append(f"statistics_batch_size: {statistics}: {VGG} takes the statistics of the whole batch only")
    if architecture == VGG and values["optimizer"] != "sgd":
        mistakes.append(f"optimizer: {values['optimizer']}: {VGG} is trained by sgd only")
    for axis in ("x_axis", "y_axis"):
        if values[axis] not in TABLE or not TABLE[values[axis]].identity:
            mistakes.append(unknown_key(values[axis], TABLE, f"parameter as {axis}:"))
    if values["x_axis"] == values["y_axis"]:
        mistakes.append(f"x_axis, y_axis: both are {values['x_axis']!r}")
    return mistakes


def _references(values: Mapping[str, Any]) -> dict[str, str]:
    """What each parameter with a value such as ``@beta_w`` follows."""
    return {name: value[1:] for name, value in values.items() if isinstance(value, str) and value[:1] == "@"}


def identity(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The part of normalised ``parameters`` that decides the training: not the picture's axes, metric and overlay.

    What is not given (None) is left out too, so that a later version's optional parameter changes no key.
    """
    return {name: value for name, value in parameters.items() if TABLE[name].identity and value is not None}


def cells(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary of scalars per cell: the product of the stacked axes in the table order, the last fastest."""
    axes = [[(name, entry) for entry in value] for name, value in parameters.items() if isinstance(value, list)]
    references = _references(parameters).items()
    points = [{**parameters, **dict(point)} for point in itertools.product(*axes)]
    for point in points:
        point.update({name: point[target] for name, target in references})
    return points
