"""How a run shows its progress: a live line in a terminal, plain lines elsewhere, or nothing but what went wrong."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TextIO

from phasemap.theory.shown import shown
from phasemap.train.planning.cost import duration


@dataclass
class Tally:
    """Where a run stands.

    Attributes:
        tiles, cells, cost: of the whole experiment.
        done_tiles, done_cells, done_cost: of them, finished by whomever, whenever.
        new_cells, new_cost: of them, trained by this run since ``started``.
        partial: cost of the trained part of the tiles in flight, by tile.
        outcomes: of the done cells.
        accuracy: lowest and highest test accuracy so far.
    """

    tiles: int
    cells: int
    cost: float
    started: float = field(default_factory=time.monotonic)
    done_tiles: int = 0
    done_cells: int = 0
    done_cost: float = 0.0
    new_cells: int = 0
    new_cost: float = 0.0
    failed_tiles: int = 0
    partial: dict[str, float] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    accuracy: tuple[float, float] | None = None

    def add(
        self, *, cells: int, cost: float, new: bool, outcomes: Mapping[str, int], accuracy: Sequence[float] | None
    ) -> None:
        """Counts one finished tile."""
        self.done_tiles += 1
        self.done_cells += cells
        self.done_cost += cost
        self.outcomes.update(outcomes)
        if new:
            self.new_cells += cells
            self.new_cost += cost
        if accuracy:
            low, high = self.accuracy or (accuracy[0], accuracy[1])
            self.accuracy = min(low, accuracy[0]), max(high, accuracy[1])

    def reprice(self, factor: float) -> None:
        """Takes every cost for ``factor`` times what was guessed."""
        self.cost *= factor
        self.done_cost *= factor
        self.new_cost *= factor
        self.partial = {key: factor * cost for key, cost in self.partial.items()}

    def fraction(self) -> float:
        """The part of the experiment's cost that is done."""
        return min((self.done_cost + sum(self.partial.values())) / self.cost, 1.0) if self.cost else 1.0

    def left(self) -> float | None:
        """Seconds that the rest takes at the pace so far; None before anything is trained."""
        trained = self.new_cost + sum(self.partial.values())
        elapsed = time.monotonic() - self.started
        return self.cost * (1 - self.fraction()) * elapsed / trained if trained else None

    def line(self) -> str:
        """``3/6 tiles, 36/72 cells, 4.2 cells/s, ETA 9 s; 35 finished, 1 diverged; test accuracy 0.10-0.97``."""
        elapsed = max(time.monotonic() - self.started, 1e-9)
        parts = [f"{self.done_tiles}/{self.tiles} tiles, {self.done_cells}/{self.cells} cells"]
        if self.new_cells:
            parts[0] += f", {self.new_cells / elapsed:.3g} cells/s"
        if self.done_tiles + self.failed_tiles < self.tiles and (left := self.left()) is not None:
            parts[0] += f", ETA {duration(left)}"
        if self.failed_tiles:
            parts.append(f"{self.failed_tiles} tiles failed")
        if self.outcomes:
            parts.append(", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items())))
        if self.accuracy:
            parts.append(f"test accuracy {self.accuracy[0]:.2f}-{self.accuracy[1]:.2f}")
        return "; ".join(parts)


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
