"""The one exception for bad input: the front door prints its lines and exits with 2, without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from phasemap.theory.shown import shown

LONGEST = 2000
"""Characters of a message: what the user gave may have any number."""


class InputError(Exception):
    """What the user gave cannot be used. Each message is one line: the file, key and value, and what was expected."""

    def __init__(self, *messages: str) -> None:
        self.messages = tuple(_cut(shown(message)) for message in messages)
        super().__init__("\n".join(self.messages))


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} … {message[-LONGEST // 3 :]}"


@contextmanager
def noted(mistakes: list[str]) -> Iterator[None]:
    """Adds the messages of an InputError within to ``mistakes`` and goes on: so that all can be told at once."""
    try:
        yield
    except InputError as error:
        mistakes += [message for message in error.messages if message not in mistakes]


def unknown_name(name: str, known: Iterable[str], what: str) -> str:
    """The line that says that there is no ``what`` called ``name``, with the nearest known names."""
    near = difflib.get_close_matches(name, list(known), n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"unknown {what} {name!r}{hint}"
