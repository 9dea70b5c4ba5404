"""Trains tiles in worker processes on this machine: a process for each core or GPU, forked when it is needed."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from phasemap.sweeps.execution.events import Broken, Event, Failed, Full, Lost, Progress, Ready, Started, Stopped
from phasemap.sweeps.execution.events import from_json as event_of
from phasemap.sweeps.execution.executor import ExecutorContext
from phasemap.sweeps.execution.local.forked import Server
from phasemap.sweeps.execution.local.worker import COMPUTING
from phasemap.sweeps.execution.local.worker_process import WorkerProcess
from phasemap.sweeps.execution.tile import Tile
from phasemap.train.machine.devices import environment

START_UP = 60.0
"""Seconds that a worker has at least to start in."""
PAUSE = 2.0
"""Seconds between two looks at the workers that say: this process was stopped (Ctrl-Z), and they maybe with it."""
START_UPS = 3
"""Workers that may die before they are ready, in a row, before this executor gives up."""
IDLE = 2.0
"""Seconds that a worker waits for another tile before it is let go, with the memory that it holds."""


class LocalExecutor:
    """Worker processes on this machine, at most one for each of the context's devices.

    A worker that dies is replaced once there is work for another one. A tile whose worker died before it was ready
    has not been tried: the next worker gets it.
    """

    def __init__(self, context: ExecutorContext) -> None:
        self.context, self.slots = context, list(context.devices)
        self.most = len(self.slots)
        self.waiting: deque[Tile] = deque()
        self.workers: list[WorkerProcess] = []
        self.server: Server | None = None
        self.selector = selectors.DefaultSelector()
        self.untold: list[Event] = []
        self.died_starting = 0
        self.stopping = False
        self.last_look = time.monotonic()

    def start(self, tile: Tile) -> None:
        """Hands the tile to an idle worker or to a new one; else it waits for a dying one to make way."""
        self.waiting.append(tile)
        self._hand_out()

    def events(self, timeout: float) -> list[Event]:
        """What the workers have said, and which of them are gone or stuck."""
        found: list[Event] = []
        for selected, _ in self.selector.select(timeout=0 if self.untold else timeout):
            worker = selected.data
            for message in worker.messages():
                found += self._ended(worker) if message is None else self._said(worker, message)
        self._look_after_workers()
        self._hand_out()
        found += self.untold
        self.untold = []
        return found

    def stop(self, *, at_once: bool) -> None:
        """Has the workers save their tiles; those that are still starting, and with ``at_once`` all, are killed."""
        self.stopping = True
        self.untold += [Stopped(tile.key) for tile in self.waiting]
        self.waiting.clear()
        for worker in self.workers:
            worker.stop()
            if not worker.ready and worker.tile:
                self.untold.append(Stopped(worker.tile.key))
                worker.tile = None
            if at_once or not worker.ready:
                worker.kill()

    def close(self) -> None:
        """Ends every worker."""
        if self.server:
            self.server.close()
        for worker in self.workers:
            worker.wait()
        self.server, self.workers = None, []
        self.selector.close()

    def _hand_out(self) -> None:
        """Gives the waiting tiles to idle workers, and starts new ones on devices that nobody works on."""
        while self.waiting and not self.stopping:
            worker = next((worker for worker in self.workers if worker.idle), None)
            if worker is None and len(self.workers) < self.most:
                worker = self._start_worker()
            if worker is None:
                return
            worker.give(self.waiting.popleft())

    def _start_worker(self) -> WorkerProcess | None:
        """A new worker; None where the machine has no room for one more: then fewer do the work, if there are any."""
        free = self.slots.copy()
        for worker in self.workers:
            free.remove(worker.device)
        try:
            worker = WorkerProcess(self.context, free[0], self._fork_server(free[0]))
        except (OSError, RuntimeError, MemoryError) as error:
            self.untold += self._no_room(error)
            return None
        self.workers.append(worker)
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        return worker

    def _fork_server(self, device: str) -> Server:
        """What workers are forked from; a new one where the last has died."""
        if self.server and self.server.ended:
            self.server.close()
            self.server = None
        if self.server is None:
            self.server = Server(self.context.trainer, environment(device))
        return self.server

    def _no_room(self, error: BaseException) -> Iterator[Event]:
        """The machine has no room for one more worker: there are to be no more than there are."""
        self.most = len(self.workers)
        if not self.workers:
            self.stopping = True
            yield Broken(f"no worker can be started: {error or 'out of memory'}")

    def _said(self, worker: WorkerProcess, message: dict[str, Any]) -> Iterator[Event]:
        if message == COMPUTING:
            return
        event = event_of(message)
        if isinstance(event, Ready):
            worker.ready, self.died_starting = True, 0
        elif worker.tile is None:  # it was told to stop before it was ready
            return
        elif not isinstance(event, (Started, Progress)):
            worker.tile = None
            worker.leaving = isinstance(event, (Stopped, Failed, Full))
        yield event

    def _ended(self, worker: WorkerProcess) -> Iterator[Event]:
        """A worker has ended: its tile is lost, or waits for the next worker if it was not even tried."""
        self.selector.unregister(worker.process.stdout)
        self.workers.remove(worker)
        how = worker.wait()
        if worker.ready:
            if worker.tile:
                yield Lost(worker.tile.key, how)
        elif self.stopping:
            if worker.tile:  # it ended beside the one for which all are given up
                yield Stopped(worker.tile.key)
        else:
            if worker.tile:
                self.waiting.appendleft(worker.tile)
            if worker.no_room:
                yield from self._no_room(worker.no_room)
                return
            self.died_starting += 1
            if self.died_starting == START_UPS:
                self.stopping = True
                yield Broken(f"workers do not start: {how}")

    def _look_after_workers(self) -> None:
        """Kills workers that are stuck, and lets those go that had nothing to do for a while."""
        now = time.monotonic()
        if (pause := now - self.last_look) > PAUSE:
            for worker in self.workers:
                worker.last_sign = min(worker.last_sign + pause, now)
        self.last_look = now
        for worker in self.workers:
            training = worker.ready and not worker.leaving
            limit = self.context.stuck_after if training else max(self.context.stuck_after, START_UP)
            silent = now - worker.last_sign
            if worker.idle and silent > IDLE:
                worker.leave()
            elif not worker.idle and silent > limit:
                worker.kill(f"the worker was stuck: no sign of life for {limit:.0f} s")
