"""The 8 × 8 digits that come with scikit-learn: the data set that needs no download."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phasemap.train.data.samples import Raw


def load(data_dir: Path | None) -> Raw:
    """1397 training and 400 test samples, by a fixed permutation; ``data_dir`` is not needed."""
    x, y = _embedded()
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1397], order[1397:]
    return Raw("digits", x[train].reshape(-1, 8, 8), y[train], x[test].reshape(-1, 8, 8), y[test])


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
