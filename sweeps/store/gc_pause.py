"""Reading thousands of results, or importing large libraries, without the search for garbage among the millions of
objects that they are made of."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept() -> Iterator[None]:
    """Nothing is collected within; what is made here is wanted, and no later search goes through it either."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.freeze()
            gc.enable()
