"""MNIST, CIFAR-10 and CIFAR-100: from a folder in torchvision's layout, or downloaded by torchvision to a cache folder.

A read-only folder will do, also one with only MNIST's ``.gz`` files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from phasemap.theory.errors import InputError
from phasemap.train.data.mnist_files import read_mnist

TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def cache_folder() -> Path:
    """Where downloaded data sets are kept: ``phasemap`` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "phasemap"


def load_vision(
    dataset: str, folder: Path | None
) -> tuple[str, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Title, and training and test pictures (uint8; channel last) with their labels.

    Raises:
        InputError: the files are not in ``folder``, are damaged, or (without a folder) cannot be downloaded.
    """
    try:
        if folder is not None:
            return (TITLES[dataset], *_in(dataset, folder, download=False))
        cache = cache_folder()
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{dataset}.lock"):  # several workers may start at once
            return (TITLES[dataset], *_in(dataset, cache, download=True))
    except (RuntimeError, OSError) as error:
        where = f"in {str(folder)!r}" if folder else "by download"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"dataset: {TITLES[dataset]} cannot be had {where} ({reason}); "
            "set PHASEMAP_DATA_DIR to a folder in torchvision's layout (MNIST: MNIST/raw/*.gz will do)"
        ) from error


def _in(dataset: str, root: Path, download: bool) -> Arrays:
    """The pictures in a folder, where they may be put if they are not there."""
    if dataset == "mnist" and (found := read_mnist(root)):
        x_train, y_train, x_test, y_test = found
        return x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64)
    from phasemap.train.compat import torchvision_import as torchvision_ops

    torchvision_ops.ensure()
    from torchvision import datasets

    loader = {"mnist": datasets.MNIST, "cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[dataset]
    train, test = (loader(str(root), train=train, download=download) for train in (True, False))
    return tuple(np.asarray(array) for array in (train.data, train.targets, test.data, test.targets))  # type: ignore[return-value]
