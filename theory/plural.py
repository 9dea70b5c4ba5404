"""A number with its noun: ``1 tile``, ``2 tiles``."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """The number and the noun in the form that belongs to it.

    Args:
        plural: of a noun that does not simply take an s.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
