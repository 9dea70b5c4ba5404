"""Where a run stands: what is done, by whom, how long the rest takes, and all of it in one line."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phasemap.theory.plural import counted
from phasemap.train.planning.cost import duration

ENOUGH = 5.0
"""Seconds of training, of all workers together, after which a pace says something before the first tile is done."""
MOST_SHOWN = 4
"""Tiles in flight whose steps are shown one by one."""


@dataclass
class Flight:
    """A tile that is trained now.

    Attributes:
        cost: guessed, of the whole. steps: of each of its cells.
        trained: the fraction that is trained. found: that was trained when it was first heard of, by an earlier run.
        since: when that was; None before.
    """

    cost: float
    steps: int
    trained: float = 0.0
    found: float = 0.0
    since: float | None = None

    def heard(self, fraction: float) -> None:
        """Takes what its worker says."""
        if self.since is None:
            self.since, self.found = time.monotonic(), fraction
        self.trained = fraction

    @property
    def work(self) -> float:
        """Cost of what this run has trained of it since it was first heard of."""
        return self.cost * (self.trained - self.found)


@dataclass
class Tally:
    """Where a run stands.

    Attributes:
        tiles, cells, cost: of the whole experiment.
        workers: that train at the same time.
        started: when the run began; ``trained_since``: when its first tile did.
        done_tiles, done_cells, done_cost: of them, finished by whomever, whenever.
        new_cells, new_cost, new_seconds: of them, trained by this run, and how long workers were at it.
        in_flight: the tiles that are trained now.
        others, others_cost: tiles that other runs on the folder hold, and the cost of those that they have finished and
            this run has not counted yet.
        outcomes: of the done cells.
        accuracy: lowest and highest test accuracy so far.
    """

    tiles: int
    cells: int
    cost: float
    workers: int = 1
    started: float = field(default_factory=lambda: time.monotonic())
    trained_since: float | None = None
    done_tiles: int = 0
    done_cells: int = 0
    done_cost: float = 0.0
    new_cells: int = 0
    new_cost: float = 0.0
    new_seconds: float = 0.0
    failed_tiles: int = 0
    in_flight: dict[str, Flight] = field(default_factory=dict)
    others: int = 0
    others_cost: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    accuracy: tuple[float, float] | None = None

    def add(
        self,
        *,
        cells: int,
        cost: float,
        outcomes: Mapping[str, int],
        accuracy: Sequence[float] | None,
        seconds: float | None = None,
        found: float = 0.0,
    ) -> None:
        """Counts one finished tile.

        Args:
            seconds: that this run's worker was at it; None if the result was there. found: the fraction of it that was
                trained before.
        """
        self.done_tiles += 1
        self.done_cells += cells
        self.done_cost += cost
        self.outcomes.update(outcomes)
        if seconds is not None:
            self.new_cells += cells
            self.new_cost += cost * (1 - found)
            self.new_seconds += seconds
        if accuracy:
            low, high = self.accuracy or (accuracy[0], accuracy[1])
            self.accuracy = min(low, accuracy[0]), max(high, accuracy[1])

    def reprice(self, factor: float) -> None:
        """Takes every cost for ``factor`` times what was guessed."""
        self.cost *= factor
        self.done_cost *= factor
        self.new_cost *= factor
        for flight in self.in_flight.values():
            flight.cost *= factor

    def fraction(self) -> float:
        """The part of the experiment's cost that is done."""
        trained = self.done_cost + sum(flight.cost * flight.trained for flight in self.in_flight.values())
        return min(trained / self.cost, 1.0) if self.cost else 1.0

    def left(self) -> float | None:
        """Seconds that the rest takes at the pace so far, and the longest tile in flight at least; None as long as too
        little is trained for a pace."""
        now, flights = time.monotonic(), list(self.in_flight.values())
        seconds = self.new_seconds + sum(now - flight.since for flight in flights if flight.since is not None)
        work = self.new_cost + sum(flight.work for flight in flights)
        if not work or not (self.new_cells or seconds >= ENOUGH):
            return None
        longest = max((flight.cost * (1 - flight.trained) for flight in flights), default=0.0)
        open_cost = max(self.cost * (1 - self.fraction()) - self.others_cost, 0.0)
        return max(open_cost / (self.workers + self.others), longest) * seconds / work

    def line(self) -> str:
        """``3/6 tiles, 36/72 cells, 4.2 cells/s, 12 s, ETA 9 s; steps 210/600, 40/600; 35 finished, 1 diverged; test
        accuracy 0.10-0.97``."""
        now = time.monotonic()
        parts = [f"{self.done_tiles}/{counted(self.tiles, 'tile')}, {self.done_cells}/{counted(self.cells, 'cell')}"]
        if self.new_cells and self.trained_since is not None:
            parts[0] += f", {self.new_cells / max(now - self.trained_since, 1e-9):.3g} cells/s"
        parts[0] += f", {duration(now - self.started)}"
        if self.done_tiles + self.failed_tiles < self.tiles:
            if (left := self.left()) is not None:
                parts[0] += f", ETA {duration(left)}"
            parts += self._steps()
            if self.others:
                parts.append(f"{counted(self.others, 'tile')} at other runs")
        if self.failed_tiles:
            parts.append(f"{counted(self.failed_tiles, 'tile')} failed")
        if self.outcomes:
            parts.append(", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items())))
        if self.accuracy:
            parts.append(f"test accuracy {self.accuracy[0]:.2f}-{self.accuracy[1]:.2f}")
        return "; ".join(parts)

    def _steps(self) -> list[str]:
        """The steps of the tiles in flight, as a mean of their cells'; of many tiles their range."""
        heard = [flight for flight in self.in_flight.values() if flight.since is not None and flight.steps]
        if not heard:
            return []
        if len(heard) <= MOST_SHOWN:
            return ["steps " + ", ".join(f"{flight.trained * flight.steps:.0f}/{flight.steps}" for flight in heard)]
        low, high = min(flight.trained for flight in heard), max(flight.trained for flight in heard)
        return [f"steps of {len(heard)} tiles: {low:.0%} to {high:.0%}"]
