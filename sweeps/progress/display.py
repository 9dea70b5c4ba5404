"""How a run shows its progress: a live line in a terminal, plain lines elsewhere, or nothing but what went wrong."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from typing import Any, TextIO

from phasemap.sweeps.progress.tally import Tally
from phasemap.theory.shown import shown


class ShownProgress:
    """Plain lines on standard error: one whenever a tile is done, at most one a second, at least one a minute."""

    INTERVAL, SILENCE = 1.0, 60.0

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.last = -math.inf
        self.shown = -1

    def __enter__(self) -> ShownProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, message: str) -> None:
        """A line that stays. A reader who is gone, or a full disk behind it, does not end the run."""
        with suppress(OSError):
            print(shown(message), file=self.stream, flush=True)

    def tell(self, message: str) -> None:
        """A line that stays, of what goes as it should."""
        self.say(message)

    def update(self, tally: Tally, *, last: bool = False) -> None:
        """Shows where the run stands, if it is time."""
        now = time.monotonic()
        new = tally.done_tiles != self.shown and (last or now - self.last >= self.INTERVAL)
        if new or now - self.last >= self.SILENCE:
            self.last, self.shown = now, tally.done_tiles
            self.say(tally.line())


class Quiet(ShownProgress):
    """Nothing but what must be said (failed tiles, damaged files, what an interrupt left)."""

    def tell(self, message: str) -> None:
        """Nothing."""

    def update(self, tally: Tally, *, last: bool = False) -> None:
        """Shows nothing."""


class Live(ShownProgress):
    """A bar and a line that change in place, in a terminal."""

    INTERVAL = 0.25

    def __init__(self) -> None:
        super().__init__()
        from rich import progress as rich_progress
        from rich.console import Console

        self.console = Console(stderr=True)
        columns = (rich_progress.BarColumn(bar_width=20), rich_progress.TextColumn("{task.description}"))
        self.bar: Any = rich_progress.Progress(*columns, console=self.console, auto_refresh=False)
        self.task = self.bar.add_task("", total=1.0)

    def __enter__(self) -> Live:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def say(self, message: str) -> None:
        """A line above the bar."""
        self.console.print(shown(message), highlight=False, markup=False, soft_wrap=True)

    def update(self, tally: Tally, *, last: bool = False) -> None:
        """Redraws the bar."""
        now = time.monotonic()
        if last or now - self.last >= self.INTERVAL:
            self.last = now
            self.bar.update(self.task, completed=tally.fraction(), description=tally.line(), refresh=True)


def progress(quiet: bool) -> ShownProgress:
    """The progress that fits: none, live in a terminal, plain lines elsewhere."""
    if quiet:
        return Quiet()
    return Live() if sys.stderr.isatty() else ShownProgress()
