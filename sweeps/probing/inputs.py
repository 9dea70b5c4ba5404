"""What is fed to a probed network: random numbers, or samples of an ``.npz`` file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from phasemap.theory.errors import InputError


def parse_shape(text: str) -> tuple[int, ...]:
    """``3,32,32`` as numbers. Raises InputError."""
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise InputError(f"--input {text!r}: expected the shape of one sample, such as 3,32,32 or 784")
    return shape


def random_inputs(size: tuple[int, ...] | None, batch_size: int, seed: int) -> tuple[Tensor, str]:
    """Independent N(0, 1) numbers, and in words what they are. Raises InputError without a ``size``."""
    if size is None:
        raise InputError("--input: expected the shape of one sample, such as 3,32,32, or --samples FILE.npz")
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch_size, *size, generator=generator), "random N(0, 1)"


def given_inputs(path: Path, size: tuple[int, ...] | None, batch_size: int, seed: int) -> tuple[Tensor, str]:
    """``batch_size`` samples of x_train, x, or the only array of the file, drawn without replacement; and their name.

    Raises:
        InputError: no such file or array, too few samples, or samples that do not fit ``size``.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in ("x_train", "x") if name in file.files] or file.files
            array = file[names[0]] if len(names) == 1 or names[0] in ("x_train", "x") else None
    except (OSError, ValueError) as error:
        raise InputError(f"--samples {path}: not a readable .npz file ({str(error).splitlines()[0]})") from error
    if array is None:
        raise InputError(f"--samples {path}: expected an array x_train or x, found {', '.join(names)}")
    if array.ndim < 1 or len(array) < batch_size:
        raise InputError(
            f"--samples {path}: holds {len(array) if array.ndim else 0} samples, fewer than --batch-size {batch_size}"
        )
    if size is not None and tuple(array.shape[1:]) != size:
        if int(np.prod(array.shape[1:])) != int(np.prod(size)):
            raise InputError(f"--samples {path}: samples of shape {array.shape[1:]} do not fit --input {size}")
        array = array.reshape(len(array), *size)
    chosen = np.random.default_rng(seed).choice(len(array), batch_size, replace=False)
    return torch.from_numpy(np.asarray(array[chosen], dtype=np.float64)), f"{path.name}:{names[0]}"
