"""What is fed to a probed network: random numbers, or samples of an ``.npz`` file."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from phasemap.theory.errors import InputError
from phasemap.train.data.checks import CHANNELS, numbers
from phasemap.train.data.npz import opened

NAMES = ("x_train", "x")
DEEPEST = 8
"""Dimensions that one sample may have."""
MOST_NUMBERS = 2**26
"""Numbers that a batch may have: 128 pictures of 3 × 418 × 418. What a network makes of them is some times as much."""


def parse_shape(text: str) -> tuple[int, ...]:
    """``3,32,32`` as numbers. Raises InputError."""
    words = text.split(",")
    shape = tuple(int(word) for word in words if re.fullmatch(r" *[0-9]{1,9} *", word))
    if not 0 < len(shape) == len(words) <= DEEPEST or min(shape) < 1:
        raise InputError(f"--input {text!r}: expected the shape of one sample, such as 3,32,32 or 784")
    return shape


def random_inputs(size: tuple[int, ...] | None, batch_size: int, seed: int) -> tuple[Tensor, str]:
    """Independent N(0, 1) numbers, and in words what they are. Raises InputError without a ``size``, or for more
    than ``MOST_NUMBERS``."""
    if size is None:
        raise InputError("--input: expected the shape of one sample, such as 3,32,32, or --samples FILE.npz")
    _check_numbers(batch_size, size)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch_size, *size, generator=generator), "random N(0, 1)"


def given_inputs(path: Path, size: tuple[int, ...] | None, batch_size: int, seed: int) -> tuple[Tensor, str]:
    """``batch_size`` samples of x_train, x, or the only array of the file, drawn without replacement; and their name.

    Raises:
        InputError: no such file or array, no finite real numbers, too few samples, or samples of another shape.
    """
    with opened(path, f"--samples {path}") as file:
        name = next((name for name in NAMES if name in file.names), None)
        if name is None and len(file.names) == 1:
            name = file.names[0]
        if name is None:
            found = ", ".join(file.names[:5]) + (", …" if len(file.names) > 5 else "") if file.names else "none"
            raise InputError(f"--samples {path}: expected an array x_train or x; found {found}")
        array = numbers(file.read(name), f"--samples {path}: {name}")
    if array.ndim < 1 or len(array) < batch_size:
        raise InputError(
            f"--samples {path}: holds {len(array) if array.ndim else 0} samples, fewer than --batch-size {batch_size}"
        )
    if 0 in array.shape:
        raise InputError(f"--samples {path}: {name} has the shape {array.shape}; expected samples of at least a number")
    _check_numbers(batch_size, array.shape[1:])
    chosen = array[np.random.default_rng(seed).choice(len(array), batch_size, replace=False)]
    samples = torch.from_numpy(np.ascontiguousarray(chosen, dtype=np.float64))
    return _shaped(samples, size, array, path), f"{path.name}:{name}"


def _check_numbers(batch_size: int, shape: tuple[int, ...]) -> None:
    if batch_size * math.prod(shape) > MOST_NUMBERS:
        raise InputError(
            f"--batch-size {batch_size}: so many samples of shape {shape} are {batch_size * math.prod(shape)} numbers;"
            f" expected at most {MOST_NUMBERS} (2^26)"
        )


def _shaped(samples: Tensor, size: tuple[int, ...] | None, array: NDArray[Any], path: Path) -> Tensor:
    """Rows of numbers as samples of ``size``; nothing else is reshaped, which would mix up a picture's pixels."""
    own = array.shape[1:]
    if size is None or own == size:
        return samples
    if len(own) == 1 and own[0] == math.prod(size):
        return samples.reshape(len(samples), *size)
    hint = ""
    if len(own) == len(size) == 3 and own[2] in CHANNELS and size == (own[2], *own[:2]):
        hint = "; their channels come last: write x.transpose(0, 3, 1, 2)"
    elif len(own) == len(size) == 3 and own[0] in CHANNELS and size == (*own[1:], own[0]):
        hint = "; their channels come first: write x.transpose(0, 2, 3, 1)"
    raise InputError(f"--samples {path}: samples of shape {own} do not fit --input {size}{hint}")
