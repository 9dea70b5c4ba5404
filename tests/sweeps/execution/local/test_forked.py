"""What workers are forked from: when it dies, when it cannot fork, and when it has to make way."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from phasemap.sweeps.execution.events import Broken, Done, Lost, Started, Stopped
from phasemap.sweeps.execution.executor import ExecutorContext
from phasemap.sweeps.execution.local.executor import LocalExecutor
from phasemap.sweeps.store.folder import Folder
from tests.sweeps.execution.local.test_executor import events_until, tile
from tests.sweeps.fake_backend import FakeTrainer
from tests.sweeps.runs import wait_for


class Scarce(FakeTrainer):
    """In a process that has loaded it, ``SCARCE`` forks succeed."""

    def load(self) -> None:
        room, fork = [None] * int(os.environ["SCARCE"]), os.fork

        def scarce() -> int:
            if not room:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            room.pop()
            return fork()

        os.fork = scarce


class Hopeless(FakeTrainer):
    """Kills whoever loads it, which a library may."""

    def load(self) -> None:
        os.write(2, b"cannot map the segment\n")
        os._exit(3)


SCARCE, HOPELESS = Scarce(), Hopeless()


@pytest.fixture
def executor(tmp_path: Path, log: Path, request: pytest.FixtureRequest) -> Iterator[LocalExecutor]:
    name = getattr(request, "param", None)
    trainer = f"{__name__}:{name}" if name else "tests.sweeps.fake_backend:FAKE"
    executor = LocalExecutor(ExecutorContext(Folder(tmp_path / "out"), ["cpu", "cpu", "cpu"], trainer))
    yield executor
    executor.close()


def ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_its_death_costs_the_tiles_in_flight_and_the_next_gets_another(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SECONDS", "60")
    for width in (12, 13):
        executor.start(tile(width))
    found = events_until(executor, Started)
    while sum(isinstance(event, Started) for event in found) < 2:
        found += executor.events(0.1)
    assert executor.server
    first = executor.server.process
    workers = psutil.Process(first.pid).children()
    assert len(workers) == 2
    first.kill()
    found = events_until(executor, Lost)
    while sum(isinstance(event, Lost) for event in found) < 2:
        found += executor.events(0.1)
    assert {event.key for event in found if isinstance(event, Lost)} == {tile(12).key, tile(13).key}
    end = time.monotonic() + 10  # the kernel ends them when it comes to it
    while not all(map(ended, workers)) and time.monotonic() < end:
        time.sleep(0.02)
    assert all(map(ended, workers))
    monkeypatch.delenv("FAKE_SECONDS")
    executor.start(tile(12))
    events_until(executor, Done)
    assert executor.server.process is not first


@pytest.mark.parametrize("executor", ["SCARCE"], indirect=True)
def test_where_there_is_room_for_one_it_does_the_work_of_all(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARCE", "1")
    for width in (12, 13, 14):
        executor.start(tile(width))
    found = events_until(executor, Done)
    while sum(isinstance(event, Done) for event in found) < 3:
        found += executor.events(0.1)
    assert not [event for event in found if isinstance(event, Broken)]
    assert executor.most == 1


@pytest.mark.parametrize("executor", ["SCARCE"], indirect=True)
def test_where_there_is_room_for_none_the_run_is_told(executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARCE", "0")
    executor.start(tile(12))
    (broken,) = [event for event in events_until(executor, Broken) if isinstance(event, Broken)]
    assert broken.reason == "no worker can be started: [Errno 11] Resource temporarily unavailable"
    executor.stop(at_once=False)
    assert executor.events(0) == [Stopped(tile(12).key)]


@pytest.mark.parametrize("executor", ["HOPELESS"], indirect=True)
def test_what_it_died_of_is_said(executor: LocalExecutor) -> None:
    executor.start(tile(12))
    (broken,) = [event for event in events_until(executor, Broken) if isinstance(event, Broken)]
    assert broken.reason == "workers do not start: the worker ended with code 3: cannot map the segment"


def test_when_it_is_closed_every_worker_is_gone(executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_SECONDS", "60")
    executor.start(tile(12))
    events_until(executor, Started)
    assert executor.server
    workers = psutil.Process(executor.server.process.pid).children()
    assert len(workers) == 1
    executor.close()
    assert not any(worker.is_running() for worker in workers)


def test_a_worker_that_is_let_go_leaves_nothing_behind(executor: LocalExecutor) -> None:
    executor.start(tile(12))
    events_until(executor, Done)
    assert executor.server
    server = psutil.Process(executor.server.process.pid)
    (worker,) = executor.workers
    worker.leave()
    wait_for(lambda: not server.children())
    executor.start(tile(13))
    events_until(executor, Done)
