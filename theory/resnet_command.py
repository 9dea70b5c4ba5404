"""``phasemap theory resnet``."""

from __future__ import annotations


def resnet() -> None:
    """Prints nothing yet."""
