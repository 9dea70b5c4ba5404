"""Whose Python files may be run: those that the user names, and not those that are named in what is read."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from phasemap.theory.errors import InputError

HOW = "--trust (in Python trust=True)"


class NotTrusted(InputError):
    """A Python file that something read names, and that nobody has said may be run."""


@dataclass
class _Reading:
    trust: bool
    own: Collection[str]
    refused: dict[str, None] = field(default_factory=dict)


_open: list[_Reading] = []


@contextmanager
def reading(*, trust: bool = False, own: Collection[str] = ()) -> Iterator[None]:
    """Around what reads things that somebody else may have written: within, ``path/to/file.py:name`` is not run.

    What needs it is left out, which is said on standard error when the block ends.

    Args:
        trust: whether the files may be run all the same. own: those that the user has named himself.
    """
    this = _Reading(trust, own)
    _open.append(this)
    try:
        yield
    finally:
        _open.pop()
        for text in this.refused:
            print(
                f"phasemap: warning: {text!r} is named by what was read, and was not run: what needs it is left out; "
                f"{HOW} runs it",
                file=sys.stderr,
            )


def ask_to_run(text: str) -> None:
    """Raises NotTrusted where ``text``, the name of something in a Python file, must not be run."""
    if _open and not _open[-1].trust and text not in _open[-1].own:
        _open[-1].refused[text] = None
        raise NotTrusted(f"{text!r}: not run, since it is named by what was read; {HOW} runs it")
