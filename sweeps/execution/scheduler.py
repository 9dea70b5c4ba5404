"""Has an experiment's tiles trained: which one is next, which one is tried again, and when a run ends.

A tile is done when its result file is there and valid; whoever trains it holds its lock. So any number of runs may
share a folder, and whatever is killed loses only what was in flight. Who trains is the executor's matter.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from phasemap.sweeps.execution.events import (
    Broken,
    Busy,
    Done,
    Event,
    Failed,
    Full,
    Lost,
    Progress,
    Ready,
    Started,
    Stopped,
)
from phasemap.sweeps.execution.executor import Executor
from phasemap.sweeps.execution.others import Others
from phasemap.sweeps.execution.plan import in_words
from phasemap.sweeps.execution.signals import Interrupts, interrupts
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.progress.display import ShownProgress
from phasemap.sweeps.progress.tally import Flight, Tally
from phasemap.sweeps.slurm.time_limit import stopping_before_the_limit
from phasemap.sweeps.store.folder import Folder
from phasemap.theory.plural import counted
from phasemap.train.machine.speed import forget
from phasemap.train.planning.cost import duration

ATTEMPTS = 2
"""A tile whose worker dies or raises gets one more attempt."""
GRACE = 10.0
"""Seconds that tiles in flight have to finish in after the first interrupt."""
POLL = 0.1
BUSY_POLL = 0.5
"""Seconds before a tile that another run holds is looked at again."""


@dataclass
class Outcome:
    """How a run ended: ``left`` are the keys of tiles that are not done, ``failed`` of those given up, by reason."""

    left: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    elsewhere: int = 0
    """Of those left, how many other runs hold."""
    waited: bool = False
    """Whether it ended by waiting for tiles of other runs."""
    stopped: str | None = None
    """Why the run could not go on (a full disk, workers that do not start)."""


@dataclass
class Work:
    """What the scheduler remembers of a tile that is not done; times by the monotonic clock."""

    tile: Tile
    seconds: float
    attempts: int = 0
    not_before: float = -math.inf
    began: float = 0.0
    elsewhere: bool = False
    """Whether another run had it when it was last tried."""


class Scheduler:
    """One run of an experiment's tiles.

    Args:
        tiles: every tile of the experiment that is not done, in any order; the costliest is started first.
        tally: where the experiment stands, the done tiles counted.
        wait: for tiles that other runs hold. Else the run ends when all that are open are held by others.
        grace: seconds that tiles in flight have to end in after an interrupt.
    """

    def __init__(
        self,
        folder: Folder,
        tiles: Sequence[Tile],
        *,
        executor: Executor,
        tally: Tally,
        progress: ShownProgress,
        wait: bool = True,
        grace: float = GRACE,
    ) -> None:
        self.wait = wait
        self.folder, self.executor, self.tally, self.progress, self.grace = folder, executor, tally, progress, grace
        self.device = executor.slots[0]
        self.open = {tile.key: Work(tile, tile.seconds(self.device)) for tile in tiles}
        self.pending = deque(self._costliest_first(list(self.open.values())))
        self.in_flight: dict[str, Work] = {}
        self.outcome, self.others = Outcome(), Others(folder)
        self.interrupts = Interrupts()
        self.deadline: float | None = None
        self.first_tile_told = self.measured = self.waiting_told = False

    def run(self) -> Outcome:
        """Trains until every tile is done or given up, or the run is interrupted (once: tiles in flight have `grace`
        seconds; Ctrl-C twice: at once)."""
        with interrupts() as self.interrupts, stopping_before_the_limit():
            try:
                while self.in_flight or (self.pending and not self._stopping() and not self._left_to_others()):
                    self._start_tiles()
                    self._take_events(POLL)
                    if self._stopping() and self._out_of_time():
                        break
                    if self.others.due:
                        self._look_at_others()
                    self._tell_waiting()
                    self.progress.update(self.tally)
            finally:
                self.executor.close()
        self.outcome.left = [key for key in self.open if key not in self.outcome.failed]
        self.outcome.elsewhere = sum(work.elsewhere for work in self.pending)
        self.outcome.interrupted = bool(self.interrupts)
        return self.outcome

    def reprice(self) -> None:
        """Guesses the times of the open tiles again, because the executor has measured the speed of this machine."""
        forget()
        before = sum(work.seconds for work in self.open.values())
        for work in self.open.values():
            work.seconds = work.tile.seconds(self.device)
        after = sum(work.seconds for work in self.open.values())
        if not before or before == after:
            return
        self.tally.reprice(after / before)
        self.pending = deque(self._costliest_first(list(self.pending)))
        tiles = [work.tile for work in self.open.values()]
        self.progress.tell(f"expected, now that this machine was measured: {in_words(tiles, self.executor.slots)}")

    @staticmethod
    def _costliest_first(works: Sequence[Work]) -> list[Work]:
        return sorted(works, key=lambda work: -work.seconds)

    def _left_to_others(self) -> bool:
        """Whether all that is open is in others' hands, and has no result yet: whoever ends last draws the report."""
        if self.wait:
            return False
        return all(work.elsewhere and not self.folder.result_file(work.tile.key).exists() for work in self.pending)

    def _look_at_others(self) -> None:
        """Counts what other runs do, for the time that the rest takes."""
        self.others.look({work.tile.key: work.seconds for work in self.pending})
        self.tally.others, self.tally.others_cost = len(self.others.holders), self.others.done

    def _tell_waiting(self) -> None:
        """Says once that all that is open is in others' hands, and in whose."""
        if self.waiting_told or self.in_flight or not self.pending or not all(work.elsewhere for work in self.pending):
            return
        self.waiting_told = True
        self._look_at_others()
        held = counted(len(self.pending), "tile")
        self.progress.tell(f"waiting for {held} that other runs on this folder hold: {self.others}".removesuffix(": "))
        self.outcome.waited = True

    def _stopping(self) -> bool:
        return bool(self.interrupts or self.outcome.stopped)

    def _start_tiles(self) -> None:
        """Fills the executor's free slots with the next tiles that may be tried now."""
        for _ in range(len(self.pending)):
            if self._stopping() or len(self.in_flight) >= len(self.executor.slots):
                return
            work = self.pending.popleft()
            if work.not_before > time.monotonic():
                self.pending.append(work)
                continue
            work.elsewhere = False
            self.in_flight[work.tile.key] = work
            self._begin(work)
            self.executor.start(work.tile)

    def _begin(self, work: Work) -> None:
        """Takes the time from which on the tile, and with the first one the pace of the run, is measured."""
        work.began = time.monotonic()
        self.tally.in_flight[work.tile.key] = Flight(work.seconds, work.tile.steps)
        if not self.tally.new_cells and all(flight.since is None for flight in self.tally.in_flight.values()):
            self.tally.trained_since = work.began

    def _take_events(self, timeout: float) -> None:
        for event in self.executor.events(timeout):
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Ready):
            if event.measured and not self.measured:  # of several workers each may have measured it
                self.measured = True
                self.reprice()
        elif isinstance(event, Broken):
            self.outcome.stopped = event.reason
        elif isinstance(event, Started):
            self._begin(self.in_flight[event.key])
        elif isinstance(event, Progress):
            self.tally.in_flight[event.key].heard(event.fraction)
        else:
            self._take_back(self.in_flight.pop(event.key), event)

    def _take_back(self, work: Work, event: Done | Busy | Stopped | Failed | Lost | Full) -> None:
        """What the executor was given comes back, done or not."""
        flight = self.tally.in_flight.pop(work.tile.key)
        if isinstance(event, Done):
            self._done(work, event, flight)
        elif isinstance(event, Failed):
            self._failed(work, event.reason, final=event.final)
        elif isinstance(event, Lost) and not self._stopping():
            self._failed(work, event.reason)
        elif isinstance(event, Full):
            self.outcome.stopped = (
                f"{self.folder.path}: {event.reason}; free some space and start again: nothing is damaged"
            )
        else:
            work.elsewhere = isinstance(event, Busy)
            work.not_before = time.monotonic() + (BUSY_POLL if work.elsewhere else 0.0)
            self.pending.append(work)

    def _done(self, work: Work, event: Done, flight: Flight) -> None:
        del self.open[work.tile.key]
        self.tally.add(
            cells=work.tile.cells,
            cost=work.seconds,
            outcomes=event.outcomes,
            accuracy=event.accuracy,
            seconds=time.monotonic() - work.began if event.trained else None,
            found=flight.found,
        )
        if event.trained and not self.first_tile_told:
            self.first_tile_told = True
            if self.open and (left := self.tally.left()) is not None:
                took, guessed = duration(time.monotonic() - work.began), duration(work.seconds)
                self.progress.tell(
                    f"the first tile took {took}, expected were {guessed}: about {duration(left)} are left"
                )

    def _failed(self, work: Work, reason: str, *, final: bool = False) -> None:
        key = work.tile.key
        work.attempts += 1
        if work.attempts < ATTEMPTS and not final:
            self.progress.say(f"tile {key[:8]}: {reason}; one more attempt")
            self.pending.append(work)
            return
        self.outcome.failed[key] = reason
        self.tally.failed_tiles += 1
        try:
            self.folder.mark_failed(key, work.attempts, reason)
        except OSError as error:
            self.outcome.stopped = f"{self.folder.path}: {error.strerror}"
        self.progress.say(f"tile {key[:8]} failed: {reason}; see {self.folder.log_file(key)}")

    def _out_of_time(self) -> bool:
        """Has the executor stop, once, and after the grace or where interrupts insist at once; whether it was that."""
        now = time.monotonic()
        if self.deadline is None:
            self.deadline = now + self.grace
            self.executor.stop(at_once=False)
            self._take_events(0)
            if self.interrupts and self.in_flight:
                self.progress.say(
                    f"interrupted: tiles in flight ({len(self.in_flight)}) have {self.grace:.0f} s to end; "
                    "Ctrl-C again: at once"
                )
        if now <= self.deadline and not self.interrupts.insist(self.grace):
            return False
        self.executor.stop(at_once=True)
        self._take_events(0)
        return True
