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
from phasemap.train.data.npz import load_npz
from phasemap.train.data.samples import Raw
from phasemap.train.provenance import cache_folder

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def load_mnist(data_dir: Path | None) -> Raw:
    """MNIST, 28 × 28 bytes. Raises as ``load_vision``."""
    return load_vision("mnist", "MNIST", data_folder(data_dir))


def load_cifar10(data_dir: Path | None) -> Raw:
    """CIFAR-10, 32 × 32 × 3 bytes. Raises as ``load_vision``."""
    return load_vision("cifar10", "CIFAR-10", data_folder(data_dir))


def load_cifar100(data_dir: Path | None) -> Raw:
    """CIFAR-100, 32 × 32 × 3 bytes. Raises as ``load_vision``."""
    return load_vision("cifar100", "CIFAR-100", data_folder(data_dir))


def data_folder(given: Path | None) -> Path | None:
    """The folder of the data: ``given``, or the environment's PHASEMAP_DATA_DIR, or None.

    Raises:
        InputError: the folder does not exist.
    """
    text = os.environ.get("PHASEMAP_DATA_DIR")
    folder, named = (given, "data folder") if given else (Path(text), "PHASEMAP_DATA_DIR") if text else (None, "")
    if folder is not None and not folder.is_dir():
        raise InputError(f"{named} {str(folder)!r}: there is no such folder")
    return folder


def load_vision(dataset: str, title: str, folder: Path | None) -> Raw:
    """Training and test pictures (uint8; channel last) with their labels; of a folder that holds
    ``DATASET_subset.npz``, that subset.

    Raises:
        InputError: the files are not in ``folder``, are damaged, or (without a folder) cannot be downloaded.
    """
    subset = folder / f"{dataset}_subset.npz" if folder else None
    if subset is not None and subset.is_file():
        raw = load_npz(subset)
        return raw._replace(name=f"{title} subset ({_thousands(raw.x_train)} train / {_thousands(raw.x_test)} test)")
    try:
        if folder is not None:
            return Raw(title, *_in(dataset, folder, download=False))
        cache = cache_folder()
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{dataset}.lock"):  # several workers may start at once
            return Raw(title, *_in(dataset, cache, download=True))
    except (RuntimeError, OSError) as error:
        where = f"in {str(folder)!r}" if folder else "by download"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"dataset: {title} cannot be had {where} ({reason}); "
            "set PHASEMAP_DATA_DIR to a folder in torchvision's layout (MNIST: MNIST/raw/*.gz will do)"
        ) from error


def _thousands(samples: NDArray[Any]) -> str:
    return f"{len(samples) / 1000:g}k"


def _in(dataset: str, root: Path, download: bool) -> Arrays:
    """The pictures in a folder, where they may be put if they are not there."""
    if dataset == "mnist" and (found := read_mnist(root)):
        x_train, y_train, x_test, y_test = found
        return x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64)
    from phasemap.train.compat import torchvision_import

    torchvision_import.ensure()
    from torchvision import datasets

    loader = {"mnist": datasets.MNIST, "cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[dataset]
    train, test = (loader(str(root), train=train, download=download) for train in (True, False))
    return tuple(np.asarray(array) for array in (train.data, train.targets, test.data, test.targets))  # type: ignore[return-value]
