"""A run told to end: it ends cleanly, says what is left, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from phasemap.sweeps.execution.signals import interruptible
from tests.sweeps.runs import run_fake, session_alive, start_fake, trainings, wait_for


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_cleanly_and_says_what_is_left(six: Path, tmp_path: Path, log: Path, number: int) -> None:
    process = start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "0.5"})
    wait_for(lambda: len(trainings(log)[0]) >= 2)
    os.killpg(process.pid, number)  # as a terminal does: to the workers too
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    started, ended = trainings(log)
    assert started == ended, "tiles in flight were not left to finish"
    assert f"interrupted: {6 - len(ended)} of 6 tiles left; the same command goes on" in said
    assert not session_alive(process.pid)
    assert run_fake(six, tmp_path / "out") == 0
    assert set(trainings(log)[0].values()) == {1}


def test_long_tiles_are_saved_on_an_interrupt_and_go_on(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "60", "FAKE_SAVES": "1"})
    wait_for(lambda: len(trainings(log)[0]) >= 2)
    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert time.monotonic() - before < 5  # they did not take the whole grace, let alone a minute
    assert not trainings(log)[1]
    saved = {file.stem for file in (tmp_path / "out" / "locks").glob("*.ckpt")}
    assert len(saved) == 2
    assert (
        "interrupted: 6 of 6 tiles left; 2 of 6 tiles stopped part-way and saved; the same command continues them"
        in said
    )
    assert not session_alive(process.pid)
    capfd.readouterr()
    assert run_fake(six, tmp_path / "out") == 0
    assert "2 of 6 tiles stopped part-way and saved: continued from there" in capfd.readouterr().err
    assert log.read_text().count("resumed") == 2
    assert {file.stem for file in (tmp_path / "out" / "tiles").glob("*.json")} > saved
    assert not list((tmp_path / "out" / "locks").glob("*.ckpt*"))


def test_a_second_sigterm_leaves_them_the_time_to_save(six: Path, tmp_path: Path, log: Path) -> None:
    """Slurm's own, to every process of a step, and another that an agent or a job script passes on."""
    process = start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "60", "FAKE_SAVES": "1"})
    wait_for(lambda: len(trainings(log)[0]) >= 2)
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert len(list((tmp_path / "out" / "locks").glob("*.ckpt"))) == 2


def test_a_second_interrupt_ends_at_once(six: Path, tmp_path: Path, log: Path) -> None:
    process = start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "60"})
    wait_for(lambda: len(trainings(log)[0]) >= 2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - before < 5
    assert not session_alive(process.pid)


def test_workers_die_with_the_run(six: Path, tmp_path: Path, log: Path) -> None:
    process = start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "60"})
    wait_for(lambda: len(trainings(log)[0]) >= 2)
    assert len(session_alive(process.pid)) == 4  # the run, what workers are forked from, and two of them
    process.kill()  # the runner alone
    process.communicate(timeout=30)
    wait_for(lambda: not session_alive(process.pid), 10)


def test_sigterm_before_the_first_tile_is_an_interrupt_too(six: Path, tmp_path: Path, log: Path) -> None:
    @interruptible
    def command() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    assert command() == 130
    assert signal.getsignal(signal.SIGTERM) is before
