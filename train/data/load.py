"""The data that a tile asks for, decoded once into arrays: a data set of the catalogue or a ``.npz`` file."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.data.catalogue import DATA_SETS
from phasemap.train.data.checks import checked
from phasemap.train.data.npz import load_npz
from phasemap.train.data.samples import Data, Raw, Survey
from phasemap.train.data.standardise import Scale, check_scale, check_varying, scale_of


def load(parameters: Mapping[str, Any], data_dir: Path | None = None) -> Data:
    """The data of normalised ``parameters`` (dataset, train_size, test_size).

    A subset is the first samples of one fixed permutation, whatever the seed: all cells see the same data.

    Raises:
        InputError: the data cannot be had, are malformed, or are fewer than asked for.
    """
    chosen, classes, _ = _chosen(parameters, data_dir)
    name, x_train, y_train, x_test, y_test = chosen
    scale = _scale(chosen, parameters)
    return Data(
        name=name,
        x_train=scale.rows(x_train),
        y_train=y_train.astype(np.int64),
        x_test=scale.rows(x_test),
        y_test=y_test.astype(np.int64),
        shape=x_train.shape[1:],
        classes=classes,
        chance=float(np.bincount(y_test.astype(np.int64)).max() / len(y_test)),
        digest=_digest(*chosen[1:]),
    )


def survey(parameters: Mapping[str, Any], data_dir: Path | None = None) -> Survey:
    """Of the data that ``load`` would give, in a fraction of its time and memory. Raises InputError as it does."""
    chosen, classes, note = _chosen(parameters, data_dir)
    x_train, x_test = chosen.x_train, chosen.x_test
    if not x_train.dtype == x_test.dtype == np.uint8:  # bytes that vary have a scale
        _scale(chosen, parameters)
    return Survey(len(x_train), len(x_test), math.prod(x_train.shape[1:]), classes, _digest(*chosen[1:]), note)


def _chosen(parameters: Mapping[str, Any], data_dir: Path | None) -> tuple[Raw, int, str]:
    """The samples that the parameters ask for, as they are stored; the number of classes; what the labels became."""
    raw = _raw(parameters["dataset"], data_dir)
    # the classes of the whole set: a small subset may lack some
    (name, x_train, y_train, x_test, y_test), classes, note = checked(raw, f"dataset: {parameters['dataset']}")
    x_train, y_train = _subset(x_train, y_train, parameters["train_size"], "train_size")
    x_test, y_test = _subset(x_test, y_test, parameters["test_size"], "test_size")
    if parameters["batch_size"] > len(x_train):
        raise InputError(
            f"batch_size: {parameters['batch_size']} is larger than the training set ({parameters['dataset']}:"
            f" {counted(len(x_train), 'sample')})"
        )
    check_varying(x_train, f"dataset: {parameters['dataset']}")
    return Raw(name, x_train, y_train, x_test, y_test), classes, note


def _scale(chosen: Raw, parameters: Mapping[str, Any]) -> Scale:
    scale = scale_of(chosen.x_train, chosen.x_test)
    check_scale(scale, chosen.x_test, f"dataset: {parameters['dataset']}")
    return scale


def _raw(dataset: str, data_dir: Path | None) -> Raw:
    if dataset in DATA_SETS:
        return DATA_SETS[dataset].load(data_dir)
    return load_npz(Path(os.path.expanduser(dataset)))  # noqa: PTH111 - Path.expanduser fails for ~nobody/file.npz


def _subset(x: NDArray[Any], y: NDArray[Any], size: int | None, key: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if size is None:
        return x, y
    if size > len(x):
        raise InputError(f"{key}: {size} is more than the {counted(len(x), 'sample')} there")
    chosen = np.random.default_rng(1).permutation(len(x))[:size]
    return x[chosen], y[chosen]


def _digest(*arrays: NDArray[Any]) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.shape}{array.dtype.str}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]
