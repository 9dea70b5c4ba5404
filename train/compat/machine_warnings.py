"""What libraries warn of because of the machine that they run on, which whoever trains there knows or need not know."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

MESSAGES = (
    r"The `srun` command is available",
    r"(GPU|TPU|HPU|IPU|MPS) available but not used",
    r".*does not have many workers",
    r"This DataLoader will create \d+ worker processes",
    r".*persistent_workers",
    r"CUDA initialization",
    r"Can't initialize NVML",
    r"The pynvml package is deprecated",
    r"Attempting to run cuBLAS, but there was no current CUDA context",
    r"expandable_segments not supported",
    r"\s*Found Intel OpenMP",
    r"Could not find the number of physical cores",
)
"""Regular expressions of how they begin. The tests ignore the same: there, every other warning is an error."""


def ignore() -> None:
    """Ignores them in the whole process, and what Matplotlib logs of a folder that it cannot keep its fonts in."""
    _filter()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


@contextmanager
def ignored() -> Iterator[None]:
    """Ignores them within the block."""
    with warnings.catch_warnings():
        _filter()
        yield


def _filter() -> None:
    for message in MESSAGES:
        warnings.filterwarnings("ignore", message=message)
