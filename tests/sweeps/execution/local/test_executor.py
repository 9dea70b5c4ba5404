"""Worker processes: which of them are stuck, which are replaced, and what becomes of the tiles that they were given."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from phasemap.sweeps.execution.events import Broken, Done, Event, Lost, Progress, Ready, Started, Stopped
from phasemap.sweeps.execution.executor import ExecutorContext
from phasemap.sweeps.execution.local import executor as local
from phasemap.sweeps.execution.local.executor import LocalExecutor
from phasemap.sweeps.execution.local.worker_process import WorkerProcess
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.store.folder import Folder
from phasemap.train.parameters import normalise
from phasemap.train.planning.cost import Cost
from tests.sweeps.fake_backend import NAME


def tile(width: int) -> Tile:
    return Tile(f"{width:032}", normalise({"depth": [3], "width": width, "lr": 0.1, "steps": 10}), Cost())


@pytest.fixture
def executor(tmp_path: Path, log: Path) -> Iterator[LocalExecutor]:
    executor = LocalExecutor(ExecutorContext(Folder(tmp_path / "out"), ["cpu", "cpu"], NAME))
    yield executor
    executor.close()


def events_until(executor: LocalExecutor, kind: type[Event], seconds: float = 30) -> list[Event]:
    found: list[Event] = []
    end = time.monotonic() + seconds
    while not any(isinstance(event, kind) for event in found):
        assert time.monotonic() < end, f"waited in vain: {found}"
        found += executor.events(0.1)
    return found


def test_a_worker_says_that_it_is_ready_that_it_starts_and_that_it_is_done(executor: LocalExecutor) -> None:
    executor.start(tile(12))
    kinds = [type(event) for event in events_until(executor, Done)]
    assert kinds[:2] == [Ready, Started]
    assert executor.context.folder.result_file(tile(12).key).is_file()
    assert not list(executor.context.folder.locks.iterdir())  # the lock is given back before the event is sent
    (worker,) = executor.workers
    executor.start(tile(13))
    events_until(executor, Done)
    assert executor.workers == [worker]


def test_an_idle_worker_is_let_go_and_another_one_started_when_there_is_work(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "IDLE", 0.2)
    executor.start(tile(12))
    events_until(executor, Done)
    end = time.monotonic() + 30
    while executor.workers and time.monotonic() < end:
        assert executor.events(0.1) == []
    assert not executor.workers
    executor.start(tile(13))
    events_until(executor, Done)


def test_a_killed_worker_loses_its_tile_and_another_one_takes_the_next(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SECONDS", "60")
    executor.start(tile(12))
    events_until(executor, Started)
    executor.workers[0].process.kill()
    *before, lost = events_until(executor, Lost)
    assert all(isinstance(event, Progress) for event in before)  # how far it was
    assert lost == Lost(tile(12).key, "the worker was killed by SIGKILL (out of memory?)")
    monkeypatch.delenv("FAKE_SECONDS")
    executor.start(tile(12))
    events_until(executor, Done)


def test_a_tile_whose_worker_did_not_start_is_not_lost(executor: LocalExecutor) -> None:
    executor.start(tile(12))
    executor.workers[0].process.kill()
    kinds = [type(event) for event in events_until(executor, Done)]
    assert Lost not in kinds
    assert executor.died_starting == 0


def test_workers_that_never_start_are_given_up(executor: LocalExecutor, tmp_path: Path) -> None:
    executor.context = ExecutorContext(executor.context.folder, ["cpu", "cpu"], "no.such.module:TRAINER")
    executor.start(tile(12))
    executor.start(tile(13))
    events = events_until(executor, Broken)
    (broken,) = [event for event in events if isinstance(event, Broken)]
    assert "workers do not start: the worker ended with code 1: ModuleNotFoundError" in broken.reason
    executor.stop(at_once=False)
    stopped = [event.key for event in (*events, *executor.events(0)) if isinstance(event, Stopped)]
    assert sorted(stopped) == [tile(12).key, tile(13).key]


def test_workers_that_end_together_while_all_are_given_up_give_their_tiles_back(executor: LocalExecutor) -> None:
    executor.context = ExecutorContext(executor.context.folder, ["cpu", "cpu"], "no.such.module:TRAINER")
    executor.died_starting = local.START_UPS - 1
    executor.start(tile(12))
    executor.start(tile(13))
    workers = list(executor.workers)
    events = [event for worker in workers for event in executor._ended(worker)]
    executor.stop(at_once=False)
    events += executor.events(0)
    assert [type(event) for event in events].count(Broken) == 1
    assert sorted(event.key for event in events if isinstance(event, Stopped)) == [tile(12).key, tile(13).key]


def test_a_stop_before_a_worker_is_ready_gives_its_tile_back_at_once(executor: LocalExecutor) -> None:
    executor.start(tile(12))
    executor.stop(at_once=False)
    assert executor.events(0) == [Stopped(tile(12).key)]


def test_workers_are_stuck_after_a_while_but_not_while_this_process_was_itself_stopped(executor: LocalExecutor) -> None:
    """Ctrl-Z and fg: the workers were stopped with it."""
    executor.context = ExecutorContext(executor.context.folder, stuck_after=3.0)
    process = subprocess.Popen(["sleep", "60"])
    silent: dict[str, Any] = {"tile": tile(12), "ready": True, "leaving": False, "idle": False, "why": None}
    worker = SimpleNamespace(**silent, last_sign=time.monotonic() - 9)

    def kill(because: str | None = None) -> None:
        worker.why = because
        process.kill()

    worker.kill = kill
    executor.workers = [cast(WorkerProcess, worker)]
    executor.last_look -= 9
    executor._look_after_workers()
    assert process.poll() is None
    worker.last_sign -= 9
    executor._look_after_workers()
    assert process.wait(10) == -signal.SIGKILL
    assert worker.why == "the worker was stuck: no sign of life for 3 s"
    executor.workers = []
