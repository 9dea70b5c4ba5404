"""A tile has one holder at a time: by flock, by leases where flock fails, and where it holds on one node only."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.store import lease, tile_lock
from phasemap.sweeps.store.folder import Folder
from tests.sweeps.runs import run_fake, write_experiment


def forked(what: Callable[[], None]) -> int:
    """The number of a process that does it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            what()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def no_flock(*_: Any) -> None:
    """As on a node that has locks of its own (``nolock``, ``local_lock=all``)."""


@pytest.mark.parametrize("machines", [("a", "a"), ("a", "b"), ("", "")], ids=str)
def test_without_flock_a_tile_has_one_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machines: tuple[str, str]
) -> None:
    """Two processes, of one machine or of two, go through forty tiles; what both do is written to one log."""
    monkeypatch.setattr(fcntl, "flock", no_flock)
    folder, log = Folder(tmp_path / "out"), tmp_path / "log"
    for room in (folder.tiles, folder.locks):
        room.mkdir(parents=True)
    keys = [f"{number:032x}" for number in range(40)]

    def work(machine: str, seed: int) -> None:
        monkeypatch.setattr(lease, "_machine", lambda: machine)
        draw, open_keys = random.Random(seed), list(keys)
        while open_keys:
            key = open_keys.pop(draw.randrange(len(open_keys)))
            if folder.result_file(key).exists():
                continue
            with folder.lock(key) as mine:
                if not mine:
                    open_keys.append(key)
                elif not folder.result_file(key).exists():
                    with log.open("a") as file:
                        file.write(f"{key}\n")
                    time.sleep(0.002)
                    folder.result_file(key).write_text("{}")

    pids = [forked(lambda machine=machine, seed=seed: work(machine, seed)) for seed, machine in enumerate(machines)]  # type: ignore[misc]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    assert sorted(log.read_text().split()) == keys
    assert not list(folder.locks.glob("*.lease"))


def test_a_dead_process_of_this_machine_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k.lock"
    monkeypatch.setattr(fcntl, "flock", no_flock)

    def hold() -> None:
        with tile_lock.holding(path) as mine:
            assert mine
            time.sleep(60)

    pid = forked(hold)
    end = time.monotonic() + 20
    while not tile_lock.holder(path) and time.monotonic() < end:
        time.sleep(0.01)
    with tile_lock.holding(path) as mine:
        assert not mine
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert path.with_suffix(".lease").exists()
    assert not tile_lock.holder(path)
    with tile_lock.holding(path) as mine:
        assert mine
    assert sorted(file.name for file in tmp_path.iterdir()) == ["k.lock"]


def test_nor_does_one_that_nobody_has_waited_for(tmp_path: Path) -> None:
    """As in a container, where nobody waits for what is left of a killed run."""
    path = tmp_path / "x.lease"

    def killed() -> None:
        assert lease.take(path)
        os.kill(os.getpid(), signal.SIGKILL)

    pid = forked(killed)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its entry stays
        assert not lease.holder(path)
        assert lease.take(path)
    finally:
        os.waitpid(pid, 0)


def test_a_holder_on_another_machine_is_known_by_the_leases_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "k.lock"
    theirs = path.with_suffix(".lease")
    theirs.write_text("another 1 1\n")
    assert tile_lock.holder(path)
    with tile_lock.holding(path) as mine:
        assert not mine
    assert theirs.exists()
    before = time.time() - 2 * lease.STALE
    os.utime(theirs, (before, before))
    assert not tile_lock.holder(path)
    monkeypatch.setattr(lease, "RENEWED", 0.01)
    with tile_lock.holding(path) as mine:
        assert mine
        assert theirs.read_text() == lease.Holder.here().text()
        os.utime(theirs, (before, before))
        threading.Event().wait(0.2)
        assert theirs.stat().st_mtime > before
    assert not theirs.exists()


def test_a_lease_that_another_made_meanwhile_is_not_broken(tmp_path: Path) -> None:
    path = tmp_path / "k.lease"
    path.write_text("another 1 1\n")
    lease._break(path, "a third 1 1\n", 0.0)  # what was found to be over
    assert path.read_text() == "another 1 1\n"
    assert [file.name for file in tmp_path.iterdir()] == ["k.lease"]


@pytest.mark.parametrize("text", ["", "\n", "x", "a b c", "a 1", "\x00" * 9, "a " + "9" * 400 + " 1"])
def test_a_lease_of_nobody_is_over_in_time(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k.lease"
    path.write_text(text)
    assert not lease.take(path)
    os.utime(path, (0, 0))
    assert lease.take(path)


def test_a_file_system_without_links_has_leases_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", no_links)
    assert lease.take(tmp_path / "k.lease")
    assert not lease.take(tmp_path / "k.lease")
    lease.give_back(tmp_path / "k.lease")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, 524])
def test_a_file_system_without_locks_is_said_once_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], number: int
) -> None:
    def flock(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)  # forked workers have it, too
    assert run_fake(write_experiment(tmp_path / "mine.yaml", 2), tmp_path / "out", workers=1) == 0
    said = capfd.readouterr().err
    assert said.count("no flock there") == 1
    assert f"{tmp_path}/out/locks: no flock there ({os.strerror(number)}); leases hold the tiles" in said
