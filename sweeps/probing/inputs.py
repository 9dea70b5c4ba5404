"""What is fed to a probed network: random numbers, samples of an ``.npz`` file, or what a user's function makes."""

from __future__ import annotations

import copy
import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard
from phasemap.theory.plural import counted
from phasemap.theory.user_code import file_of, load_user_module
from phasemap.train.data.checks import CHANNELS, numbers
from phasemap.train.data.npz import opened
from phasemap.train.probe.autograd.inputs import tensors_in

NAMES = ("x_train", "x")
DEEPEST = 8
"""Dimensions that one sample may have."""
MOST_NUMBERS = 2**26
"""Numbers that a batch may have: 128 pictures of 3 × 418 × 418. What a network makes of them is some times as much."""


@dataclass(frozen=True)
class Fed:
    """The arguments of the network's forward pass.

    Attributes:
        words: where they come from. arguments, keywords: of the call.
    """

    words: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> Fed:
        """With every tensor on the device, and of a type if one is given."""
        given = tensors_in([self.arguments, self.keywords])
        there = {id(tensor): tensor.detach().to(device, dtype) for tensor in given}
        with guard(f"{self.words}: what it makes cannot be copied"):
            arguments, keywords = copy.deepcopy((self.arguments, dict(self.keywords)), there)
        return Fed(self.words, arguments, keywords)

    @property
    def batch(self) -> Tensor:
        """The first tensor."""
        return tensors_in([self.arguments, self.keywords])[0]


def parse_shape(text: str) -> tuple[int, ...]:
    """``3,32,32`` as numbers. Raises InputError."""
    words = text.split(",")
    shape = tuple(int(word) for word in words if re.fullmatch(r" *[0-9]{1,9} *", word))
    if not 0 < len(shape) == len(words) <= DEEPEST or min(shape) < 1:
        raise InputError(f"--input {text!r}: expected the shape of one sample, such as 3,32,32 or 784")
    return shape


def random_inputs(size: tuple[int, ...] | None, batch_size: int, seed: int) -> Fed:
    """Independent N(0, 1) numbers. Raises InputError without a ``size``, or for more than ``MOST_NUMBERS``."""
    if size is None:
        raise InputError(
            "--input: expected the shape of one sample, such as 3,32,32, or --samples FILE.npz, or --inputs FILE.py:F"
        )
    _check_numbers(batch_size, size)
    generator = torch.Generator().manual_seed(seed)
    return Fed("random N(0, 1)", (torch.randn(batch_size, *size, generator=generator),), {})


def given_inputs(path: Path, size: tuple[int, ...] | None, batch_size: int, seed: int) -> Fed:
    """``batch_size`` samples of x_train, x, or the only array of the file, drawn without replacement.

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
            f"--samples {path}: holds {counted(len(array) if array.ndim else 0, 'sample')}, fewer than"
            f" --batch-size {batch_size}"
        )
    if 0 in array.shape:
        raise InputError(f"--samples {path}: {name} has the shape {array.shape}; expected samples of at least a number")
    _check_numbers(batch_size, array.shape[1:])
    chosen = array[np.random.default_rng(seed).choice(len(array), batch_size, replace=False)]
    samples = torch.from_numpy(np.ascontiguousarray(chosen, dtype=np.float64))
    return Fed(f"{path.name}:{name}", (_shaped(samples, size, array, path),), {})


def made_inputs(text: str, model: nn.Module, seed: int) -> Fed:
    """What ``path/to/file.py:name`` is or, called without arguments, returns: a tensor; a tuple of the network's
    arguments; a mapping of its keyword arguments, or its one argument where ``forward`` takes none of these names.

    Raises:
        InputError: as ``load_user_module``; it fails, or makes no tensor.
    """
    module, name = load_user_module(text)
    made = getattr(module, name)
    torch.manual_seed(seed)
    if callable(made) and not isinstance(made, (Tensor, Mapping)):
        with guard(f"--inputs {text!r}: {name}() failed", file=file_of(text)):
            made = made()
    named: Mapping[str, Any] = made if isinstance(made, Mapping) and _takes(model, made) else {}
    arguments = () if named else made if isinstance(made, tuple) and not hasattr(made, "_fields") else (made,)
    if not tensors_in([arguments, named]):
        raise InputError(
            f"--inputs {text!r}: {name} gives no tensor ({type(made).__name__}): expected a tensor, a tuple of"
            " arguments or a mapping of keyword arguments"
        )
    return Fed(text, arguments, named)


def _takes(model: nn.Module, named: Mapping[str, Any]) -> bool:
    try:
        inspect.signature(model.forward).bind(**named)
    except TypeError:
        return False
    return True


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
