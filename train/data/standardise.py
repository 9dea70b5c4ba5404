"""Samples in units of the training set's standard deviation from its mean.

One scalar pair of mean and deviation (a pair per pixel would divide by zero on MNIST's border), or one pair per colour
channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasemap.theory.errors import InputError

ROWS = 4096
"""Samples that are worked on at a time, so that no copy of all of them in float64 is needed."""
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of the training samples, in float64: one of each, or one of each per channel."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def rows(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """The samples as rows, standardised."""
        found = np.empty((len(x), math.prod(x.shape[1:])), np.float32)
        if x.dtype == np.uint8:  # there are 256 bytes: a table is ten times faster than arithmetic on every number
            levels = np.arange(256, dtype=np.float64)[:, None]
            table = ((levels - self.mean) / self.deviation).astype(np.float32)
            channels = np.arange(table.shape[1])
        for first in range(0, len(x), ROWS):
            some = x[first : first + ROWS]
            if x.dtype == np.uint8:
                standard = table[some, channels] if x.ndim == 4 else table[some, 0]
            else:
                standard = ((some - self.mean) / self.deviation).astype(np.float32)
            found[first : first + ROWS] = standard.reshape(len(some), -1)
        return found


def scale_of(x_train: NDArray[Any], x_test: NDArray[Any]) -> Scale:
    """The training samples' scale, for both."""
    if x_train.dtype == x_test.dtype == np.uint8:
        return _scale_of_bytes(x_train)
    with np.errstate(over="ignore", invalid="ignore"):  # `check_scale` tells it
        mean, deviation = (
            moment(x_train, axis=_sample_axes(x_train), dtype=np.float64) for moment in (np.mean, np.std)
        )
    return Scale(np.asarray(mean), np.asarray(deviation))


def _sample_axes(x: NDArray[Any]) -> tuple[int, ...]:
    """The axes that one mean and one standard deviation are of: all but that of the colour channels."""
    return tuple(range(3 if x.ndim == 4 else x.ndim))


def _scale_of_bytes(x_train: NDArray[np.uint8]) -> Scale:
    """By how often each of the 256 bytes is there, ten times faster."""
    levels = np.arange(256, dtype=np.float64)
    channels = np.moveaxis(x_train, -1, 0) if x_train.ndim == 4 else x_train[None]
    means, deviations = [], []
    for channel in channels:
        blocks = (channel[first : first + ROWS] for first in range(0, len(channel), ROWS))
        count = sum(np.bincount(block.ravel(), minlength=256) for block in blocks)
        mean = count @ levels / np.sum(count)
        means.append(mean)
        deviations.append(np.sqrt(count @ np.square(levels - mean) / np.sum(count)))
    return Scale(np.array(means), np.array(deviations))


def check_varying(x_train: NDArray[Any], named: str) -> None:
    """Raises InputError where all training samples, or all of one channel, are one number."""
    # over the samples first: over all axes but the last, short one, numpy takes eighty times as long
    least, most = x_train.min(0, keepdims=True), x_train.max(0, keepdims=True)
    least, most = least.min(_sample_axes(x_train)), most.max(_sample_axes(x_train))
    constant = np.flatnonzero(least == most)
    if constant.size == np.size(least):
        raise InputError(f"{named}: the training inputs are all equal")
    if constant.size:
        which = ", ".join(f"{channel} (always {least[channel]})" for channel in constant)
        raise InputError(
            f"{named}: the training pictures have channels that never change, counted from 0: {which}; leave them out,"
            f" as numpy.delete(x, {constant.tolist()}, -1) does"
        )


def check_scale(scale: Scale, x_test: NDArray[Any], named: str) -> None:
    """Raises InputError where the samples cannot be standardised: values too large, too small or too far away."""
    if not (np.all(np.isfinite(scale.deviation)) and np.all(scale.deviation > 0)):
        raise InputError(
            f"{named}: the standard deviation of the training inputs is {np.max(scale.deviation)} in float64: their"
            " squares leave its range; expected values between 1e-150 and 1e150, and no such number for a missing one"
        )
    with np.errstate(over="ignore"):
        ends = np.stack([end.astype(np.float64) for end in (x_test.min(0), x_test.max(0))])
        farthest = np.max(np.abs((ends - scale.mean) / scale.deviation))
    if farthest > LARGEST:
        raise InputError(
            f"{named}: x_test has values {farthest:.1g} standard deviations of x_train away from its mean, beyond"
            " float32; expected test samples like the training samples"
        )
