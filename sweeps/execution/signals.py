"""Interrupts (Ctrl-C and SIGTERM) while something runs that has to end in good order."""

from __future__ import annotations

import signal
import sys
import threading
import time
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
    """The interrupts so far. Another thread, or a training, may look at them at any time.

    Attributes:
        numbers: of the signals. times: when each came, by the monotonic clock.
    """

    numbers: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)

    def note(self, number: int) -> None:
        """Adds one, which came just now."""
        self.times.append(time.monotonic())
        self.numbers.append(number)

    def insist(self, grace: float) -> bool:
        """Whether they want the end at once: Ctrl-C twice, or SIGTERM ``grace`` seconds after the first interrupt.

        A second SIGTERM before that is nobody's impatience: Slurm sends one to every process, an agent one to its run.
        """
        late = [number for number, at in zip(self.numbers, self.times, strict=False) if at - self.times[0] > grace]
        return self.numbers.count(signal.SIGINT) > 1 or signal.SIGTERM in late


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
        seen.note(number)
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
