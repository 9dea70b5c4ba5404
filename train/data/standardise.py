"""Samples in units of the training set's standard deviation from its mean.

One scalar pair of mean and deviation (a pair per pixel would divide by zero on MNIST's border), or one pair per colour
channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sample_axes(x: NDArray[Any]) -> tuple[int, ...]:
    """The axes that one mean and one standard deviation are of: all but that of the colour channels."""
    return tuple(range(3 if x.ndim == 4 else x.ndim))


def standardiser(x_train: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Makes rows of samples, in units of the training samples' standard deviation from their mean."""
    mean, deviation = (moment(x_train, axis=sample_axes(x_train), dtype=np.float64) for moment in (np.mean, np.std))
    return lambda x: ((x - mean) / deviation).astype(np.float32).reshape(len(x), -1)


def standardiser_of_bytes(x_train: NDArray[np.uint8]) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """The same for pictures as they are stored. There are 256 bytes: how often each is there gives the moments, and a
    table the rows, ten times faster than arithmetic on every number, and without memory for all of them in float64."""
    levels = np.arange(256, dtype=np.float64)
    channels = np.moveaxis(x_train, -1, 0) if x_train.ndim == 4 else x_train[None]
    tables = []
    for channel in channels:
        count = np.bincount(channel.ravel(), minlength=256)
        mean = count @ levels / count.sum()
        deviation = np.sqrt(count @ np.square(levels - mean) / count.sum())
        tables.append(((levels - mean) / deviation).astype(np.float32))
    table = np.stack(tables)

    def rows(x: NDArray[np.uint8]) -> NDArray[np.float32]:
        standard = table[np.arange(len(table)), x] if x.ndim == 4 else table[0][x]
        return standard.reshape(len(x), -1)

    return rows
