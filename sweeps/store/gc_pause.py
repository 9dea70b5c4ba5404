"""Reading thousands of results, or importing large libraries, without the search for garbage among the millions of
objects that they are made of."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept() -> Iterator[None]:
    """Nothing is collected within, as what is made here is wanted. Afterwards the process is as it was: it may be a
    user's notebook."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
