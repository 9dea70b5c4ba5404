"""``phasemap theory batchnorm``."""

from __future__ import annotations


def batchnorm() -> None:
    """Prints nothing yet."""
