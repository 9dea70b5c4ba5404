"""Samples of a data set: as they are stored, ready to train on, and what there is to know of them beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from numpy.typing import NDArray

from phasemap.train.result_types import DataDescription


class Raw(NamedTuple):
    """A data set as it is stored: its name in figures, samples (pictures have the channel last), labels from 0."""

    name: str
    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]


@dataclass(frozen=True)
class Data:
    """Training and test samples, ready to train on.

    Attributes:
        name: what a figure says (``MNIST``, ``CIFAR-10 subset (10k train / 2k test)``).
        x_train, x_test: standardised float32 rows; pictures keep channel-last order before they are flattened.
        shape: of one sample before it is flattened.
        classes: number of classes (labels are 0..classes-1).
        chance: rate of the commonest test class.
        digest: hash of the samples and labels used, in order.
    """

    name: str
    x_train: Float[np.ndarray, "n D"]
    y_train: Int64[np.ndarray, " n"]
    x_test: Float[np.ndarray, "m D"]
    y_test: Int64[np.ndarray, " m"]
    shape: tuple[int, ...]
    classes: int
    chance: float
    digest: str

    def description(self) -> DataDescription:
        """What a result file says of its data; p0 and gamma0 are what the theory of residual networks starts from."""
        p0, gamma0 = self.second_moments()
        return {
            "name": self.name,
            "digest": self.digest,
            "train_size": len(self.x_train),
            "test_size": len(self.x_test),
            "chance": self.chance,
            "p0": p0,
            "gamma0": gamma0,
        }

    def second_moments(self) -> tuple[float, float]:
        """⟨x·x⟩/D of one training sample and ⟨x·x'⟩/D of two different ones, on average over the training set."""
        count, inputs = self.x_train.shape
        own = float(np.square(self.x_train, dtype=np.float64).sum())
        total = float(np.square(self.x_train.sum(0, dtype=np.float64)).sum())
        return own / (count * inputs), (total - own) / (count * (count - 1) * inputs)


@dataclass(frozen=True)
class Survey:
    """What there is to know of data before anything is trained on them; the names are those of ``Data``.

    Attributes:
        note: what was done to the labels, for the user to know; empty if nothing was.
    """

    train_size: int
    test_size: int
    inputs: int
    classes: int
    digest: str
    note: str = ""
