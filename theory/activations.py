"""The catalogue of activations φ: values and derivative in NumPy, where they kink or jump, and their homogeneity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from phasemap.theory import elementwise
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import brief, number, wrong
from phasemap.theory.user_code import is_user_code, load_user_activation

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Activation:
    """One activation with its parameters bound.

    Attributes:
        name: as given on the command line (``relu``, ``path/to/file.py:name``).
        phi, derivative: elementwise on float64 arrays of any shape.
        kinks: arguments where φ or a derivative of φ is not smooth; quadrature splits there.
        degree: α if φ(t·z) = t^α·φ(z) for every t > 0 (positive-homogeneous), else None.
        label: name with its parameters, for tables and pictures.
    """

    name: str
    phi: Function
    derivative: Function
    kinks: tuple[float, ...] = ()
    degree: float | None = None
    label: str = ""

    def __repr__(self) -> str:
        return f"Activation({self.label or self.name})"


BUILT_IN = (
    *("relu", "leaky-relu", "alpha-relu", "tanh", "erf", "sin", "identity", "abs"),
    *("gelu", "gelu-tanh", "silu", "mish", "elu", "selu", "softplus", "sigmoid"),
)
WITH_ALPHA = ("alpha-relu", "elu")


def _base(name: str, slope: float, alpha: float) -> tuple[Function, Function, tuple[float, ...], float | None]:
    """φ, φ′, kinks and degree of a built-in activation at scale 1 and shift 0."""
    if name in WITH_ALPHA and not alpha > 0:
        raise InputError(f"--alpha {alpha}: {name} needs alpha > 0")
    selu = {"alpha": elementwise.SELU_ALPHA, "scale": elementwise.SELU_SCALE}
    kinked: dict[str, tuple[Function, Function, float | None]] = {
        "relu": (elementwise.relu, elementwise.step, 1.0),
        "leaky-relu": (partial(elementwise.leaky, slope=slope), partial(elementwise.leaky_slope, slope=slope), 1.0),
        "alpha-relu": (partial(elementwise.power, alpha=alpha), partial(elementwise.power_slope, alpha=alpha), alpha),
        "abs": (np.abs, np.sign, 1.0),
        "elu": (partial(elementwise.elu, alpha=alpha), partial(elementwise.elu_slope, alpha=alpha), None),
        "selu": (partial(elementwise.elu, **selu), partial(elementwise.elu_slope, **selu), None),
    }
    if name in kinked:
        phi, derivative, degree = kinked[name]
        return phi, derivative, (0.0,), degree
    if name == "identity":
        return elementwise.same, elementwise.one, (), 1.0
    smooth: dict[str, tuple[Function, Function]] = {
        "tanh": (np.tanh, elementwise.sech2),
        "erf": (elementwise.erf, elementwise.gauss),
        "sin": (np.sin, np.cos),
        "gelu": (elementwise.gelu, elementwise.gelu_slope),
        "gelu-tanh": (elementwise.gelu_tanh, elementwise.gelu_tanh_slope),
        "silu": (elementwise.silu, elementwise.silu_slope),
        "mish": (elementwise.mish, elementwise.mish_slope),
        "softplus": (elementwise.softplus, elementwise.sigmoid),
        "sigmoid": (elementwise.sigmoid, elementwise.sigmoid_slope),
    }
    if name not in smooth:
        raise InputError(f"unknown activation {name!r}: expected one of {', '.join(BUILT_IN)}, or path/to/file.py:name")
    return *smooth[name], (), None


def _user(text: str) -> tuple[Function, Function, tuple[float, ...], float | None]:
    """φ, φ′, kinks and degree of ``file.py:name``.

    The file may define ``name_kinks`` (a tuple of numbers) and ``name_degree`` beside the two functions.
    """
    module, values, slopes = load_user_activation(text, np)
    name = text.rpartition(":")[2]
    kinks = _numbers(text, f"{name}_kinks", getattr(module, f"{name}_kinks", ()))
    degree = getattr(module, f"{name}_degree", None)
    _check_derivative(text, values, slopes, kinks)
    return values, slopes, kinks, None if degree is None else _numbers(text, f"{name}_degree", (degree,))[0]


def _numbers(text: str, name: str, declared: Any) -> tuple[float, ...]:
    """What a user's file declares, as finite numbers. Raises InputError."""
    try:
        numbers = tuple(float(each) for each in declared)
    except (TypeError, ValueError, OverflowError):
        numbers = (float("nan"),)
    if not np.isfinite(numbers).all():
        expected = "a finite number" if name.endswith("_degree") else "a tuple of finite numbers"
        raise InputError(f"{text!r}: {name}: expected {expected}")
    return numbers


def _check_derivative(text: str, phi: Function, derivative: Function, kinks: tuple[float, ...]) -> None:
    """Raises InputError if the given derivative is not that of φ at points away from the kinks."""
    z, step = np.linspace(-3.0, 3.0, 61) + 0.0123, 1e-5
    z = z[np.all(np.abs(z[:, None] - np.array([*kinks, 1e9])) > 10 * step, axis=1)]
    with np.errstate(all="ignore"):
        numeric, given = (phi(z + step) - phi(z - step)) / (2 * step), derivative(z)
        wrong = ~(np.abs(numeric - given) <= 1e-4 * (1 + np.abs(numeric)))
    if np.sum(wrong) > 3:  # a few may sit on kinks that were not declared
        at = float(z[np.argmax(wrong)])
        raise InputError(
            f"{text!r}: the derivative given is not that of the function (at {at:.3g}:"
            f" {float(given[np.argmax(wrong)]):.6g}, by differences {float(numeric[np.argmax(wrong)]):.6g})"
        )


def activation(
    name: str, *, scale: float = 1.0, shift: float = 0.0, slope: float = 0.01, alpha: float = 1.0
) -> Activation:
    """The activation z ↦ φ(scale·z + shift), as a BN layer with γ = scale and β = shift applies it.

    Args:
        name: one of ``BUILT_IN`` or ``path/to/file.py:name``.
        scale, shift: γ and β of the batch normalisation in front of φ.
        slope: of ``leaky-relu`` below zero. alpha: exponent of ``alpha-relu``, max(z, 0)^α; of ``elu``, whose limit at
            −∞ is −α.

    Raises:
        InputError: unknown name, a parameter out of range, or a user's file that does not fit.
    """
    if not isinstance(name, str):
        raise InputError(f"activation {brief(name)}: expected a name such as 'relu', or an Activation")
    scale, shift = _checked(scale, shift)
    slope, alpha = number("slope", slope, "--slope"), number("alpha", alpha, "--alpha")
    mistakes = wrong("slope", slope, "--slope")
    mistakes += wrong("alpha", alpha, "--alpha") if name in WITH_ALPHA and alpha > 0 else []
    if mistakes:
        raise InputError(*mistakes)
    phi, derivative, kinks, degree = _user(name) if is_user_code(name) else _base(name, slope, alpha)
    details = {"slope": slope} if name == "leaky-relu" else {}
    details |= {"alpha": alpha} if name == "alpha-relu" or (name == "elu" and alpha != 1) else {}
    bound = Activation(name, phi, derivative, kinks, degree, name)
    return _scaled(bound, scale, shift, details)


def as_activation(
    named: str | Activation, *, scale: float = 1.0, shift: float = 0.0, **parameters: float
) -> Activation:
    """``activation`` of a name; of an ``Activation``, whose other parameters are bound, φ(scale·z + shift).

    Raises:
        InputError: as ``activation``, or it is neither.
    """
    if isinstance(named, np.ndarray) and not named.ndim:
        named = named.item()
    if not isinstance(named, Activation):
        return activation(named, scale=scale, shift=shift, **parameters)
    return _scaled(named, *_checked(scale, shift), {})


def _checked(scale: Any, shift: Any) -> tuple[float, float]:
    """γ and β as numbers. Raises InputError."""
    scale, shift = number("gamma", scale, "scale"), number("beta", shift, "shift")
    if not (np.isfinite(scale) and np.isfinite(shift)):
        raise InputError(f"gamma {scale}, beta {shift}: expected finite numbers")
    if mistakes := [*wrong("gamma", scale, "scale"), *wrong("beta", shift, "shift")]:
        raise InputError(*mistakes)
    return scale, shift


def _scaled(bound: Activation, scale: float, shift: float, details: dict[str, float]) -> Activation:
    """z ↦ φ(scale·z + shift), labelled with γ and β; ``details`` are φ's own parameters for the label."""
    details = ({"gamma": scale} if scale != 1 else {}) | ({"beta": shift} if shift != 0 else {}) | details
    label = bound.label + "".join(f" {key}={value:g}" for key, value in details.items())
    if scale == 1 and shift == 0:
        return replace(bound, label=label) if details else bound
    return Activation(
        bound.name,
        lambda z: bound.phi(scale * np.asarray(z) + shift),
        lambda z: scale * bound.derivative(scale * np.asarray(z) + shift),
        tuple((k - shift) / scale for k in bound.kinks) if scale != 0 else (),
        bound.degree if shift == 0 and scale > 0 else None,
        label,
    )


def value_at_zero(activation: Activation) -> float:
    """φ(0), or 0 where φ is not finite there."""
    with np.errstate(all="ignore"):
        value = float(activation.phi(np.zeros(1))[0])
    return value if np.isfinite(value) else 0.0
