"""Few processes, small files, little memory, closed streams, odd clocks: one line, nothing half-written, no orphans."""

from __future__ import annotations

import importlib
import os
import platform
import random
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from phasemap.command_line import main
from phasemap.sweeps.execution.local import executor as local
from phasemap.sweeps.execution.local.worker_process import WorkerProcess
from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.store import result as store
from phasemap.sweeps.store.folder import Folder
from tests.robustness.attack import Outcome, complaints
from tests.robustness.preloaded import LIBRARIES
from tests.sweeps.fake_backend import FAKE, fake_result
from tests.sweeps.runs import run_fake, session_alive, start_fake, wait_for, write_experiment


def limited(limit: Callable[[], None], *arguments: str, folder: Path) -> Outcome:
    """``phasemap ARGUMENTS`` in a fork of this process, under a limit; its words go through pipes, which may grow."""
    out, err = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            for target, (_, writes) in ((1, out), (2, err)):
                os.dup2(writes, target)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
            os.chdir(folder)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limit()
            main(list(arguments))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 3
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    texts = []
    for reads, writes in (out, err):
        os.close(writes)
        with os.fdopen(reads) as said:
            texts.append(said.read())
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return Outcome(arguments, code, *texts, usage.ru_utime + usage.ru_stime, 0)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``map`` in which all is trained; and the libraries are loaded, once for all forks."""
    for library in LIBRARIES:
        importlib.import_module(library)
    here = tmp_path_factory.mktemp("limits")
    planned = plan(load("bn-fig3a", "smoke", ["seed=0"]), at_work=["cpu"], trainer=FAKE)
    folder = Folder(here / "map")
    folder.claim(planned.experiment, planned.manifest)
    for tile in planned.tiles:
        store.write(folder.result_file(tile.key), fake_result(dict(tile.parameters)))
    assert limited(lambda: None, "report", "map", folder=here).code == 0
    return here


ENDS = {".html": b"</html>", ".png": b"IEND\xaeB`\x82", ".pdf": b"%%EOF", ".json": b"}", ".yaml": b"\n", ".csv": b"\n"}
COMMANDS = (
    ("report", "map"),
    ("report", "map", "--out", "other/report.html"),
    ("report", "map", "--index"),
    ("export", "map", "--out", "cells.csv"),
    ("export", "map", "--format", "netcdf", "--out", "map.nc"),
    ("status", "map"),
)


def whole(folder: Path) -> list[Path]:
    """The files of a folder, none of them half of what it should be."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".tmp"]
    for path in files:
        assert path.read_bytes().rstrip(b"\n").endswith(ENDS.get(path.suffix, b"").rstrip(b"\n")), path
    return files


def write_little(results: Path, seed: int, count: int) -> None:
    draw, command = random.Random(seed), 0
    for trial in range(count):
        words = COMMANDS[command := (command + 1) % len(COMMANDS)]
        most = int(10 ** draw.uniform(1, 5.3))
        before = {path: path.read_bytes() for path in (results / "map").rglob("*.json")}

        def few_bytes(most: int = most) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        outcome = limited(few_bytes, *words, folder=results)
        where = f"seed {seed}, trial {trial}: {words} with files of {most} bytes"
        assert complaints(outcome) == [], where
        assert outcome.code in (0, 1), f"{where}: {outcome.err}"
        if outcome.code:
            assert outcome.err.count("\n") <= 2, where
        assert before == {path: path.read_bytes() for path in before}, where
        whole(results)


def test_files_that_may_not_grow_are_not_there_or_whole(results: Path) -> None:
    write_little(results, 0, 6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_files_that_may_not_grow(results: Path, seed: int) -> None:
    write_little(results, seed, 60)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (1, 2), (0, 1, 2)], ids=str)
def test_closed_streams(results: Path, closed: tuple[int, ...]) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)
            setattr(sys, ("stdin", "stdout", "stderr")[number], None)

    for words in (("export", "map"), ("export", "map", "--out", "cells.csv"), ("run", "nothing")):
        outcome = limited(close, *words, folder=results)
        assert outcome.code == (2 if words[0] == "run" else 0), (words, outcome)
        assert "Traceback" not in outcome.out + outcome.err
    assert (results / "cells.csv").read_text().startswith("depth,")


def test_a_machine_with_room_for_one_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room = [1]

    class Scarce(WorkerProcess):
        def __init__(self, *arguments: Any) -> None:
            if not room:
                raise BlockingIOError(11, os.strerror(11))
            room.pop()
            super().__init__(*arguments)

    monkeypatch.setattr(local, "WorkerProcess", Scarce)
    experiment = write_experiment(tmp_path / "mine.yaml", 3)
    assert run_fake(experiment, tmp_path / "out", workers=3) == 0
    assert "3/3 tiles" in capsys.readouterr().err
    assert run_fake(experiment, tmp_path / "none", workers=3) == 1
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "error" in one]
    assert line == "phasemap: error: no worker can be started: [Errno 11] Resource temporarily unavailable"


def test_no_more_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def start(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    before = psutil.Process().children()
    monkeypatch.setattr(threading.Thread, "start", start)
    assert run_fake(write_experiment(tmp_path / "mine.yaml", 2), tmp_path / "out") == 1
    assert "no worker can be started: can't start new thread" in capsys.readouterr().err
    assert set(psutil.Process().children()) <= set(before)  # nobody is left


@pytest.mark.parametrize("wait", [0.0, 0.3, None], ids=["at once", "while workers start", "while they train"])
def test_workers_die_with_a_killed_run(tmp_path: Path, wait: float | None) -> None:
    experiment, log = write_experiment(tmp_path / "mine.yaml", 4), tmp_path / "log"
    process = start_fake(experiment, tmp_path / "out", env={"FAKE_SECONDS": "60", "FAKE_LOG": str(log)})
    if wait is None:
        wait_for(lambda: log.exists() and log.read_text().count("start") == 2)
    else:
        wait_for(lambda: len(session_alive(process.pid)) > 1)
        time.sleep(wait)
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: not session_alive(process.pid), 20)


def test_a_clock_that_stands_before_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As under a program that sets the clocks back 30 years: the monotonic one is then below zero."""
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() - 30 * 365 * 86400)
    done: list[int] = []
    experiment = write_experiment(tmp_path / "mine.yaml", 2)
    monkeypatch.setattr(signal, "alarm", signal.alarm)
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("the run does not end"))
    signal.alarm(90)
    try:
        done.append(run_fake(experiment, tmp_path / "out"))
    finally:
        signal.alarm(0)
    assert done == [0]
    assert "2/2 tiles" in capsys.readouterr().err


def test_what_another_run_has_finished_meanwhile_counts_also_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's tile is busy when it is tried, and done before the own one is: this run ends last, and draws."""
    monkeypatch.setenv("FAKE_SECONDS", "1.5")
    experiment = write_experiment(tmp_path / "mine.yaml", 2)
    folder = Folder(tmp_path / "out")
    planned = plan(load(str(experiment), "paper"), at_work=["cpu"], trainer=FAKE)
    folder.claim(planned.experiment, planned.manifest)
    theirs = planned.tiles[1]  # the costlier, which is tried first
    held, free = threading.Event(), threading.Event()

    def other() -> None:
        with folder.lock(theirs.key) as mine:
            assert mine
            held.set()
            free.wait(60)
            store.write(folder.result_file(theirs.key), fake_result(dict(theirs.parameters)))

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(20)
    threading.Timer(1.0, free.set).start()
    assert run_fake(experiment, tmp_path / "out", workers=1, wait=False, report=True) == 0
    thread.join()
    assert len(list(folder.tiles.iterdir())) == 2
    assert (folder.path / "report.html").exists()


def test_a_run_says_that_it_waits_for_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = write_experiment(tmp_path / "mine.yaml", 2)
    folder = Folder(tmp_path / "out")
    planned = plan(load(str(experiment), "paper"), at_work=["cpu"], trainer=FAKE)
    folder.claim(planned.experiment, planned.manifest)
    held = threading.Event()

    def other() -> None:
        with folder.lock(planned.tiles[1].key) as mine:
            assert mine
            held.set()
            end = time.monotonic() + 60
            while not list(folder.tiles.iterdir()) and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(1.5)

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(20)
    assert run_fake(experiment, tmp_path / "out", workers=1) == 0
    thread.join()
    told = f"waiting for 1 tile that other runs on this folder hold: process {os.getpid()} on {platform.node()}\n"
    assert capsys.readouterr().err.count(told) == 1


def test_a_run_that_does_not_wait_leaves_what_others_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = write_experiment(tmp_path / "mine.yaml", 3)
    folder = Folder(tmp_path / "out")
    planned = plan(load(str(experiment), "paper"), at_work=["cpu"], trainer=FAKE)
    folder.claim(planned.experiment, planned.manifest)
    with folder.lock(planned.tiles[1].key) as mine:
        assert mine
        assert run_fake(experiment, tmp_path / "out", wait=False, report=True) == 0
    said = capsys.readouterr().err
    assert "1 of 3 tiles left to the runs that hold them" in said
    assert len(list(folder.tiles.iterdir())) == 2
    assert not (folder.path / "report.html").exists()
    assert run_fake(experiment, tmp_path / "out", wait=False, report=True) == 0
    assert len(list(folder.tiles.iterdir())) == 3
    assert (folder.path / "report.html").exists()  # of whoever ends last
