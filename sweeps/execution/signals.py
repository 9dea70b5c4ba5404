"""Interrupts (Ctrl-C and SIGTERM) while something runs that has to end in good order."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec

INTERRUPTED = 130
"""The exit code of a command that was interrupted."""
P = ParamSpec("P")


@dataclass
class Interrupts:
    """The interrupts so far, by their signals' numbers. Another thread, or a training, may look at it at any time."""

    numbers: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)


def only_noted(_interrupts: Interrupts) -> None:
    """The answer to an interrupt that is looked at later."""


@contextmanager
def interrupts(answer: Callable[[Interrupts], None] = only_noted) -> Iterator[Interrupts]:
    """Notes Ctrl-C and SIGTERM, and calls ``answer`` with all of them so far: it may raise what ends the block.

    Only the main thread of a process hears of them; in another one nothing is ever noted.
    """
    seen = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(number: int, _frame: object) -> None:
        seen.numbers.append(number)
        answer(seen)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interruptible(command: Callable[P, int]) -> Callable[P, int]:
    """The command, ended by an interrupt at any moment at which nothing else answers it: it returns 130."""

    def end(_interrupts: Interrupts) -> None:
        raise KeyboardInterrupt

    @wraps(command)
    def answering(*arguments: P.args, **options: P.kwargs) -> int:
        try:
            with interrupts(end):
                return command(*arguments, **options)
        except KeyboardInterrupt:
            print("interrupted; the same command goes on", file=sys.stderr)
            return INTERRUPTED

    return answering
