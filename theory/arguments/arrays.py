"""Functions of one network's activation and numbers, which take arrays of them too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import as_activation
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import RANGES, brief, number, wrong

T = TypeVar("T")


def numbers(name: str, value: Any) -> Float[np.ndarray, "*grid"]:
    """One number or several (a list, an array, a series, a tensor) as an array of float64.

    Raises:
        InputError: it is neither, or empty.
    """
    try:
        found = np.asarray(value)
        if found.dtype.kind in "cmM" or value is None:
            raise TypeError
        found = found.astype(float)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name} {brief(value)}: expected a number, or an array of numbers") from error
    if not found.size:
        raise InputError(f"{name} {brief(value)}: expected at least one number")
    return found


def takes_arrays(function: Callable[..., T]) -> Callable[..., T]:
    """The function of an activation and of numbers named in ``theory.ranges``, for names and arrays, too.

    An activation may be its name. Arrays of names, objects or numbers broadcast, and give an array of the answers: of
    data classes a record array with the same fields, of mappings a list.

    Raises:
        InputError: what is given is no number, the shapes do not broadcast, and whatever ``function`` raises.
    """
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))

    @wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        arguments = signature.bind(*given, **named).arguments
        phis = _phis(arguments.pop(first))
        arrays = {name: numbers(name, arguments.pop(name)) for name in [*arguments] if name in RANGES}
        try:
            shape = np.broadcast_shapes(phis.shape, *(value.shape for value in arrays.values()))
        except ValueError as error:
            shapes = {"activation": phis.shape} | {name: value.shape for name, value in arrays.items()}
            told = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
            raise InputError(f"shapes do not broadcast: {told}") from error
        phis = np.broadcast_to(phis, shape)
        arrays = {name: np.broadcast_to(value, shape) for name, value in arrays.items()}
        answers = [
            function(phis[place], **{name: _plain(name, value[place]) for name, value in arrays.items()}, **arguments)
            for place in np.ndindex(shape)
        ]
        return _packed(answers, shape) if shape else answers[0]

    return called


def _phis(given: Any) -> np.ndarray:
    """The activations as an array of objects; one of no dimension for one."""
    if isinstance(given, np.ndarray) or (isinstance(given, Sequence) and not isinstance(given, (str, bytes))):
        found = np.array(given, dtype=object)
        if not found.size:
            raise InputError("activation: expected at least one")
        return np.vectorize(as_activation, otypes=[object])(found)
    found = np.empty((), dtype=object)
    found[()] = as_activation(given)
    return found


def _plain(name: str, value: Any) -> int | float:
    """A Python number. Raises InputError where the parameter counts something and it is no integer."""
    plain = number(name, value)
    if isinstance(RANGES[name].least, int) and not isinstance(plain, int):
        raise InputError(*wrong(name, plain))
    return plain


def _packed(answers: list[Any], shape: tuple[int, ...]) -> Any:
    if is_dataclass(answers[0]):
        names = [field.name for field in fields(answers[0])]
        columns = [np.array([getattr(answer, name) for answer in answers]).reshape(shape) for name in names]
        kinds = [(name, column.dtype) for name, column in zip(names, columns, strict=True)]
        return np.rec.fromarrays(columns, dtype=kinds)
    found = np.empty(shape, dtype=object)
    for place, answer in zip(np.ndindex(shape), answers, strict=True):
        found[place] = answer
    return found.tolist()
