"""MNIST, CIFAR-10 and CIFAR-100 through torchvision's own loaders.

A read-only data folder will do, also one with only MNIST's ``.gz`` files: torchvision unpacks beside the files it
finds, so those are first copied to the user's cache folder. Without a data folder, torchvision downloads to that cache.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from theory.errors import InputError
from train import torchvision_ops

TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}


def cache_folder() -> Path:
    """Where downloaded and unpacked data sets are kept: ``phasemap`` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "phasemap"


def load_vision(
    dataset: str, folder: Path | None
) -> tuple[str, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Title, and training and test pictures (uint8; channel last) with their labels.

    Raises:
        InputError: the files are not in ``folder``, or (without a folder) cannot be downloaded.
    """
    torchvision_ops.ensure()
    from torchvision import datasets

    loader = {"mnist": datasets.MNIST, "cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[dataset]

    def both(root: Path, download: bool) -> tuple[NDArray[Any], ...]:
        arrays: list[NDArray[Any]] = []
        for train in (True, False):
            part = loader(str(root), train=train, download=download)
            arrays += [np.asarray(part.data), np.asarray(part.targets)]
        return tuple(arrays)

    cache = cache_folder()
    try:
        if folder is not None:
            try:
                return (TITLES[dataset], *both(folder, download=False))  # type: ignore[return-value]
            except RuntimeError:
                packed = folder / "MNIST" / "raw"
                if dataset != "mnist" or not list(packed.glob("*-ubyte.gz")):
                    raise
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{dataset}.lock"):  # several workers may start at once
            if folder is not None:
                target = cache / "from-data-folder"
                raw = target / "MNIST" / "raw"
                raw.mkdir(parents=True, exist_ok=True)
                for file in packed.glob("*-ubyte.gz"):
                    if not (raw / file.name).is_file() or (raw / file.name).stat().st_size != file.stat().st_size:
                        shutil.copyfile(file, raw / file.name)
                return (TITLES[dataset], *both(target, download=True))  # type: ignore[return-value]
            return (TITLES[dataset], *both(cache, download=True))  # type: ignore[return-value]
    except (RuntimeError, OSError) as error:
        where = f"in {str(folder)!r}" if folder else "by download"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"dataset: {TITLES[dataset]} cannot be had {where} ({reason}); "
            "set PHASEMAP_DATA_DIR to a folder in torchvision's layout (MNIST: MNIST/raw/*.gz will do)"
        ) from error
