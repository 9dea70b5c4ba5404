"""Trains an experiment's tiles with worker processes on this machine.

A tile is done when its result file is there and valid; a worker holds the tile's lock while it trains. So any number of
runs may share a folder, and whatever is killed loses only what was in flight.
"""

from __future__ import annotations

import selectors
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution import trainer as backends
from phasemap.sweeps.execution.local.worker_handle import WorkerProcess
from phasemap.sweeps.execution.progress import Progress, Tally
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.store.folder import Folder
from phasemap.train.planning.cost import duration

ATTEMPTS = 2
"""A tile whose worker dies or raises gets one more attempt."""
STUCK_AFTER = 300.0
"""Seconds without a sign of life (progress, or computing time used) after which a worker is taken to be stuck."""
START_UP = 60.0
"""Seconds that a worker has at least to start in."""
GRACE = 10.0
"""Seconds that tiles in flight have to finish in after the first interrupt."""
POLL = 0.1
BUSY_POLL = 0.5
"""Seconds before a tile that another run holds is looked at again."""
PAUSE = 2.0
"""Seconds between two looks at the workers from which on the run itself was stopped (Ctrl-Z), they maybe with it."""
START_UPS = 3
"""Workers that may die before they are ready, in a row, before the run gives up."""


@dataclass
class Outcome:
    """How a run ended: ``left`` are the keys of tiles that are not done, ``failed`` of those given up, by reason."""

    left: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    stopped: str | None = None
    """Why the run could not go on (a full disk, workers that do not start)."""


class Runner:
    """One run of an experiment's tiles.

    Args:
        tiles: every tile of the experiment that is not done, in any order; the costliest is started first.
        devices: one worker is started for each entry (``cpu``, ``cuda:0``).
        tally: where the experiment stands, the done tiles counted.
    """

    def __init__(
        self,
        folder: Folder,
        tiles: Sequence[Tile],
        *,
        devices: Sequence[str],
        tally: Tally,
        progress: Progress,
        backend: str = backends.DEFAULT,
        data_dir: Path | None = None,
        stuck_after: float = STUCK_AFTER,
        grace: float = GRACE,
    ) -> None:
        self.folder, self.tally, self.progress = folder, tally, progress
        self.backend, self.data_dir = backend, data_dir
        self.stuck_after, self.grace = stuck_after, grace
        self.pending = deque(sorted(tiles, key=lambda tile: -tile.cost))
        self.open = {tile.key: tile for tile in tiles}
        self.devices = list(devices)[: max(len(tiles), 1)]
        self.selector = selectors.DefaultSelector()
        self.workers: list[WorkerProcess] = []
        self.outcome = Outcome()
        self.interrupts = 0
        self.deadline: float | None = None
        self.stillborn = 0
        self.paced = False
        self.looked = time.monotonic()

    def run(self) -> Outcome:
        """Trains until every tile is done or given up, or the run is interrupted (once: tiles in flight have `grace`
        seconds; twice: at once)."""
        if not self.open:
            return self.outcome
        with self._signals():
            try:
                for device in self.devices:
                    self._hire(device)
                while self.workers:
                    self._turn()
            finally:
                for worker in self.workers:
                    worker.process.kill()
                for worker in self.workers:
                    worker.end()
                self.selector.close()
        self.outcome.left = [key for key in self.open if key not in self.outcome.failed]
        self.outcome.interrupted = bool(self.interrupts)
        return self.outcome

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def note(_number: int, _frame: object) -> None:
            self.interrupts += 1

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _turn(self) -> None:
        """Waits a moment for events and answers them."""
        for selected, _ in self.selector.select(timeout=POLL):
            worker = selected.data
            for event in worker.events():
                if event is None:
                    self._bury(worker)
                else:
                    self._answer(worker, event)
        self._watch()
        for worker in self.workers:
            if worker.ready and worker.tile is None:
                self._assign(worker)
        self.progress.update(self.tally)

    def _stopping(self) -> bool:
        return bool(self.interrupts or self.outcome.stopped)

    def _assign(self, worker: WorkerProcess) -> None:
        """Gives an idle worker the next tile that may be tried now, or lets it go if none is left to wait for."""
        if self._stopping():
            self._let_go(worker)
            return
        now = time.monotonic()
        for _ in range(len(self.pending)):
            if self.pending[0].not_before <= now:
                if not self.tally.new_cells and not self.tally.partial:
                    self.tally.started = now  # the pace is that of training, without the workers' start
                worker.give(self.pending.popleft())
                return
            self.pending.rotate(-1)
        if not self.pending:
            self._let_go(worker)

    def _let_go(self, worker: WorkerProcess) -> None:
        worker.ready = False
        worker.dismiss()

    def _hire(self, device: str) -> None:
        sharing = self.devices.count(device)
        worker = WorkerProcess(self.folder, device, self.backend, self.data_dir, sharing=sharing)
        self.workers.append(worker)
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]

    def _answer(self, worker: WorkerProcess, event: dict[str, Any]) -> None:
        kind, tile = event["event"], worker.tile
        if kind == "ready":
            worker.ready, self.stillborn = True, 0
        if tile is None:
            return
        if kind == "progress":
            self.tally.partial[tile.key] = tile.cost * event["done"] / max(event["of"], 1)
        elif kind in ("busy", "done", "stopped", "failed", "full"):
            worker.tile = None
            self.tally.partial.pop(tile.key, None)
            if kind == "stopped":
                worker.ready = False  # it ends by itself
                self.pending.append(tile)
            elif kind == "busy":
                tile.not_before = time.monotonic() + BUSY_POLL
                self.pending.append(tile)
            elif kind == "done":
                self._done(tile, event, time.monotonic() - worker.given)
            elif kind == "full":
                self.outcome.stopped = (
                    f"{self.folder.path}: {event['reason']}; free some space and start again: nothing is damaged"
                )
            else:
                worker.ready = False  # it ends by itself
                self._failed(tile, event["reason"], final=event["final"])

    def _done(self, tile: Tile, event: dict[str, Any], seconds: float) -> None:
        del self.open[tile.key]
        self.tally.add(
            cells=tile.cells,
            cost=tile.cost,
            new=event["trained"],
            outcomes=event["outcomes"],
            accuracy=event["accuracy"],
        )
        if event["trained"] and not self.paced:
            self.paced = True
            if self.open and (left := self.tally.left()) is not None:
                self.progress.tell(
                    f"the first tile took {duration(seconds)}, expected were {duration(tile.cost)}: "
                    f"about {duration(left)} are left"
                )

    def _failed(self, tile: Tile, reason: str, *, final: bool = False) -> None:
        tile.attempts += 1
        if tile.attempts < ATTEMPTS and not final:
            self.progress.say(f"tile {tile.key[:8]}: {reason}; one more attempt")
            self.pending.append(tile)
            return
        self.outcome.failed[tile.key] = reason
        self.tally.failed_tiles += 1
        try:
            self.folder.mark_failed(tile.key, tile.attempts, reason)
        except OSError as error:
            self.outcome.stopped = f"{self.folder.path}: {error.strerror}"
        self.progress.say(f"tile {tile.key[:8]} failed: {reason}; see {self.folder.log_file(tile.key)}")

    def _bury(self, worker: WorkerProcess) -> None:
        """A worker has ended: its tile may be tried again, and another worker takes its place if there is work."""
        self.selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        self.workers.remove(worker)
        how = worker.end()
        tile = worker.tile
        if tile is not None:
            self.tally.partial.pop(tile.key, None)
            if self._stopping():
                self.pending.append(tile)
            else:
                self._failed(tile, how)
        elif not worker.ready and worker.process.returncode:
            self.stillborn += 1
            if self.stillborn >= START_UPS:
                self.outcome.stopped = f"workers do not start: {how}"
        if not self._stopping() and len(self.pending) > sum(other.tile is None for other in self.workers):
            self._hire(worker.device)

    def _watch(self) -> None:
        """Kills workers that are stuck, and all of them when an interrupt's time is up."""
        now = time.monotonic()
        if (pause := now - self.looked) > PAUSE:
            for worker in self.workers:
                worker.last_sign = min(worker.last_sign + pause, now)
        self.looked = now
        for worker in self.workers:
            starting = worker.tile is None and not worker.ready
            limit = max(self.stuck_after, START_UP) if starting else self.stuck_after
            if (worker.tile or starting) and now - worker.last_sign > limit:
                worker.verdict = f"the worker was stuck: no sign of life for {limit:.0f} s"
                worker.process.kill()
        if not self._stopping():
            return
        if self.deadline is None:
            self.deadline = now + self.grace
            in_flight = sum(worker.tile is not None for worker in self.workers)
            if self.interrupts and in_flight:
                self.progress.say(
                    f"interrupted: tiles in flight ({in_flight}) have {self.grace:.0f} s to end; again: stop at once"
                )
            for worker in self.workers:
                worker.stop()
                if not worker.ready and worker.tile is None:
                    worker.process.kill()  # it is still starting
        if self.interrupts > 1 or now > self.deadline:
            for worker in self.workers:
                worker.process.kill()
