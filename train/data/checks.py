"""What samples and labels must be, whatever they come from: checked before anything is trained on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.data.samples import Raw

FEWEST = 3
"""Samples that a batch needs."""
CHANNELS = range(1, 5)
"""Numbers in a pixel of a picture: grey, with or without an opacity, or three colours, with or without one."""
KINDS = {
    "m": "time differences",
    "M": "dates",
    "S": "bytes",
    "U": "texts",
    "T": "texts",
    "V": "records",
    "O": "objects",
}


def numbers(array: NDArray[Any], named: str) -> NDArray[Any]:
    """Samples as real, finite numbers: true and false are 1 and 0.

    Raises:
        InputError: they are something else; the message begins with ``named``.
    """
    kind = array.dtype.kind
    if kind == "b":
        return array.view(np.uint8)
    if kind == "c":
        raise InputError(
            f"{named} holds complex numbers ({array.dtype}); expected real ones, such as"
            " numpy.concatenate([x.real, x.imag], -1)"
        )
    if kind not in "iuf":
        raise InputError(f"{named} holds {KINDS.get(kind, 'no numbers')} ({array.dtype}); expected numbers")
    if kind == "f":
        with np.errstate(over="ignore"):  # what is beyond float64 becomes infinite
            finite = np.isfinite(array.astype(np.float64) if array.dtype.itemsize > 8 else array)
        if not finite.all():
            place = np.unravel_index(int(np.argmin(finite)), array.shape)
            where = ", ".join(str(int(i)) for i in place)
            raise InputError(f"{named} holds {array[place]} at [{where}]; expected finite numbers")
    return array


def checked(raw: Raw, named: str) -> tuple[Raw, int, str]:
    """The samples with their labels as classes 0, 1, …; how many classes; and what was done to the labels, if anything.

    Args:
        named: what messages begin with.

    Raises:
        InputError: the arrays are not what a classifier is trained on, or do not fit.
    """
    name, x_train, y_train, x_test, y_test = raw
    x_train, x_test = numbers(x_train, f"{named}: x_train"), numbers(x_test, f"{named}: x_test")
    for x, y, part in ((x_train, y_train, "train"), (x_test, y_test, "test")):
        _check_part(x, y, part, named)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise InputError(f"{named}: samples of x_train {x_train.shape[1:]} and x_test {x_test.shape[1:]} differ")
    _check_channels(x_train.shape, named)
    labels = sorted({*np.unique(y_train).tolist(), *np.unique(y_test).tolist()})
    if len(labels) < 2:
        raise InputError(f"{named}: y_train and y_test hold nothing but {labels[0]}; expected at least two classes")
    if len(labels) >= len(y_train):
        raise InputError(
            f"{named}: y_train and y_test hold {counted(len(labels), 'different label')} for"
            f" {counted(len(y_train), 'training sample')};"
            " expected classes, of several samples each"
        )
    if labels == list(range(len(labels))):
        return Raw(name, x_train, y_train, x_test, y_test), len(labels), ""
    note = f"{named}: the labels {_listed(labels)} are {len(labels)} classes, numbered from 0 in this order"
    classes = Raw(name, x_train, _numbered(y_train, labels), x_test, _numbered(y_test, labels))
    return classes, len(labels), note


def _check_part(x: NDArray[Any], y: NDArray[Any], part: str, named: str) -> None:
    samples, labels = f"{named}: x_{part}", f"{named}: y_{part}"
    if not x.ndim or 0 in x.shape[1:]:
        raise InputError(f"{samples} has the shape {x.shape}; expected (samples, …), each of at least one number")
    if y.ndim == 2 and len(y) == len(x):
        how = "y.argmax(1)" if y.shape[1] > 1 else "y[:, 0]"
        raise InputError(f"{labels} has the shape {y.shape}; expected one class for each sample, such as {how}")
    if y.shape != x.shape[:1]:
        raise InputError(f"{labels} has the shape {y.shape}, x_{part} {x.shape}; expected one label for each sample")
    if y.dtype.kind not in "iub":
        what = "fractions" if y.dtype.kind == "f" else KINDS.get(y.dtype.kind, "no whole numbers")
        how = "y.astype(int)" if y.dtype.kind == "f" else "numpy.unique(y, return_inverse=True)[1]"
        raise InputError(f"{labels} holds {what} ({y.dtype}); expected a whole number for each class, such as {how}")
    if len(x) < FEWEST:
        raise InputError(f"{samples} holds {counted(len(x), 'sample')}; expected at least {FEWEST}")


def _check_channels(shape: tuple[int, ...], named: str) -> None:
    """Pictures have their channels last: each channel has a mean and a standard deviation of its own."""
    if len(shape) == 4 and shape[1] in CHANNELS and shape[3] not in CHANNELS:
        raise InputError(
            f"{named}: x_train has the shape {shape}: pictures with their channels first; expected them last, as"
            " x.transpose(0, 2, 3, 1) gives"
        )


def _numbered(y: NDArray[Any], labels: list[Any]) -> NDArray[np.int64]:
    own, place = np.unique(y, return_inverse=True)
    number = {label: i for i, label in enumerate(labels)}
    return np.array([number[label] for label in own.tolist()], dtype=np.int64)[place.reshape(-1)]


def _listed(labels: list[Any]) -> str:
    """``1, 2, 5``, or ``1, 2, 3, …, 900``."""
    return ", ".join(map(str, labels)) if len(labels) < 8 else f"{labels[0]}, {labels[1]}, {labels[2]}, …, {labels[-1]}"
