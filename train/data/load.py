"""Data sets, decoded once into arrays: digits (embedded), MNIST, CIFAR-10 and CIFAR-100, or any ``.npz``.

Pictures become rows of float32, standardised with the training samples' mean and standard deviation: one scalar pair
(a pair per pixel would divide by zero on MNIST's border), or one pair per colour channel.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy.typing import NDArray

from phasemap.theory.errors import InputError
from phasemap.train.data.vision import load_vision

Raw = tuple[str, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


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

    def description(self) -> dict[str, Any]:
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


def data_folder(given: Path | None) -> Path | None:
    """The folder of the data: ``given``, or the environment's PHASEMAP_DATA_DIR, or None.

    Raises:
        InputError: the folder does not exist.
    """
    text = os.environ.get("PHASEMAP_DATA_DIR")
    folder, source = (given, "data folder") if given else (Path(text), "PHASEMAP_DATA_DIR") if text else (None, "")
    if folder is not None and not folder.is_dir():
        raise InputError(f"{source} {str(folder)!r}: there is no such folder")
    return folder


def load(parameters: Mapping[str, Any], data_dir: Path | None = None) -> Data:
    """The data of normalised ``parameters`` (dataset, train_size, test_size).

    A subset is the first samples of one fixed permutation, whatever the seed: all cells see the same data.

    Raises:
        InputError: the data cannot be had, are malformed, or are fewer than asked for.
    """
    chosen, classes = _chosen(parameters, data_dir)
    name, x_train, y_train, x_test, y_test = chosen
    bytes_only = x_train.dtype == x_test.dtype == np.uint8
    rows = _standardiser_of_bytes(x_train) if bytes_only else _standardiser(x_train)
    return Data(
        name=name,
        x_train=rows(x_train),
        y_train=y_train.astype(np.int64),
        x_test=rows(x_test),
        y_test=y_test.astype(np.int64),
        shape=x_train.shape[1:],
        classes=classes,
        chance=float(np.bincount(y_test.astype(np.int64)).max() / len(y_test)),
        digest=_digest(*chosen[1:]),
    )


@dataclass(frozen=True)
class Survey:
    """What there is to know of data before anything is trained on them; the names are those of ``Data``."""

    train_size: int
    test_size: int
    inputs: int
    classes: int
    digest: str


def survey(parameters: Mapping[str, Any], data_dir: Path | None = None) -> Survey:
    """Of the data that ``load`` would give, in a fraction of its time and memory. Raises InputError as it does."""
    chosen, classes = _chosen(parameters, data_dir)
    x_train, x_test = chosen[1], chosen[3]
    return Survey(len(x_train), len(x_test), math.prod(x_train.shape[1:]), classes, _digest(*chosen[1:]))


def _chosen(parameters: Mapping[str, Any], data_dir: Path | None) -> tuple[Raw, int]:
    """The samples that the parameters ask for, as they are stored, and the number of classes."""
    name, x_train, y_train, x_test, y_test = _raw(parameters["dataset"], data_dir)
    classes = int(max(y_train.max(), y_test.max())) + 1  # of the whole set: a small subset may lack some
    x_train, y_train = _subset(x_train, y_train, parameters["train_size"], "train_size")
    x_test, y_test = _subset(x_test, y_test, parameters["test_size"], "test_size")
    if parameters["batch_size"] > len(x_train):
        raise InputError(
            f"batch_size: {parameters['batch_size']} is larger than the training set ({name}: {len(x_train)} samples)"
        )
    # over the samples first: over all axes but the last, short one, numpy takes eighty times as long
    least, most = x_train.min(0, keepdims=True), x_train.max(0, keepdims=True)
    if np.any(least.min(_axes(x_train)) == most.max(_axes(x_train))):
        raise InputError(f"dataset: {name}: the training inputs are all equal")
    return (name, x_train, y_train, x_test, y_test), classes


def _axes(x: NDArray[Any]) -> tuple[int, ...]:
    """The axes that one mean and one standard deviation are of: all but that of the colour channels."""
    return tuple(range(3 if x.ndim == 4 else x.ndim))


def _standardiser(x_train: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Makes rows of samples, in units of the training samples' standard deviation from their mean."""
    mean, deviation = (moment(x_train, axis=_axes(x_train), dtype=np.float64) for moment in (np.mean, np.std))
    return lambda x: ((x - mean) / deviation).astype(np.float32).reshape(len(x), -1)


def _standardiser_of_bytes(x_train: NDArray[np.uint8]) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
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


def _raw(dataset: str, data_dir: Path | None) -> Raw:
    if dataset == "digits":
        return _digits()
    if dataset.endswith(".npz"):
        path = Path(dataset).expanduser()
        return (path.stem, *_npz(path))
    folder = data_folder(data_dir)
    subset = folder / f"{dataset}_subset.npz" if folder else None
    if subset is not None and subset.is_file():
        arrays = _npz(subset)
        sizes = f"{len(arrays[0]) / 1000:g}k train / {len(arrays[2]) / 1000:g}k test"
        return (f"{dataset.upper().replace('CIFAR', 'CIFAR-')} subset ({sizes})", *arrays)
    return load_vision(dataset, folder)


def _digits() -> Raw:
    x, y = _embedded()
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1397], order[1397:]
    return "digits", x[train].reshape(-1, 8, 8), y[train], x[test].reshape(-1, 8, 8), y[test]


def _embedded() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """scikit-learn's digits. Its file is read without importing it, which takes more than a second."""
    found = importlib.util.find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or []:
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            table = np.loadtxt(file, delimiter=",")
            return table[:, :-1], table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    return tuple(load_digits(return_X_y=True))


def _npz(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise InputError(f"dataset: {path}: has no {', '.join(missing)}; expected {', '.join(names)}")
            x_train, y_train, x_test, y_test = (file[name] for name in names)
    except (OSError, EOFError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"dataset: {path}: cannot be read as .npz: {error}") from error
    for x, y, part in ((x_train, y_train, "train"), (x_test, y_test, "test")):
        if len(x) != len(y) or y.ndim != 1 or not np.issubdtype(y.dtype, np.integer) or len(y) < 3 or y.min() < 0:
            raise InputError(f"dataset: {path}: y_{part} must hold one whole number from 0 for each of x_{part}")
        if not np.issubdtype(x.dtype, np.number) or not np.all(np.isfinite(x)):
            raise InputError(f"dataset: {path}: x_{part} must hold finite numbers")
    if x_train.shape[1:] != x_test.shape[1:]:
        raise InputError(
            f"dataset: {path}: samples of x_train {x_train.shape[1:]} and x_test {x_test.shape[1:]} differ"
        )
    return x_train, y_train, x_test, y_test


def _subset(x: NDArray[Any], y: NDArray[Any], size: int | None, key: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if size is None:
        return x, y
    if size > len(x):
        raise InputError(f"{key}: {size} is more than the {len(x)} samples there are")
    chosen = np.random.default_rng(1).permutation(len(x))[:size]
    return x[chosen], y[chosen]


def _digest(*arrays: NDArray[Any]) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.shape}{array.dtype.str}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]
