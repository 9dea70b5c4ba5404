"""Data sets of the user's own, as ``.npz`` files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from phasemap.theory.errors import InputError
from phasemap.train.data.samples import Raw


def load_npz(path: Path) -> Raw:
    """The samples of a file with x_train, y_train, x_test and y_test, called as the file is.

    Raises:
        InputError: it cannot be read, lacks an array, or the arrays do not fit.
    """
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
    return Raw(path.stem, x_train, y_train, x_test, y_test)
