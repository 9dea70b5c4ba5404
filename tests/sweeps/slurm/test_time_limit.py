"""What runs in a Slurm job stops before the job's time limit, by the job's own clock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from phasemap.sweeps.execution.signals import interrupts
from phasemap.sweeps.slurm import time_limit
from phasemap.sweeps.slurm.time_limit import MARGIN, in_seconds, seconds_left, stopping_before_the_limit


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        ("4:53", 293),
        ("00:09", 9),
        ("1:00:00", 3600),
        ("23:59:59", 86399),
        ("2-03:04:05", 183845),
        ("UNLIMITED", None),
        ("NOT_SET", None),
        ("INVALID", None),
        ("", None),
        ("1:2:3:4", None),
        ("-1:00", None),
    ],
)
def test_what_slurm_says_is_left(left: str, seconds: float | None) -> None:
    assert in_seconds(left) == seconds


def squeue(folder: Path, code: str) -> dict[str, str]:
    """The environment of job 17, where ``squeue`` does this."""
    (folder / "squeue").write_text(f"#!/bin/sh\n{code}\n")
    (folder / "squeue").chmod(0o755)
    return {"SLURM_JOB_ID": "17", "PATH": f"{folder}:/usr/bin:/bin"}


def test_slurm_is_asked_where_it_says_nothing_by_itself(tmp_path: Path) -> None:
    environment = squeue(tmp_path, f'echo "$@" > "{tmp_path}/asked"; echo 10:00')
    assert seconds_left({}) is None
    assert seconds_left(environment) == 600
    assert (tmp_path / "asked").read_text().split() == ["--noheader", "--jobs=17", "--format=%L"]
    ends = str(int(time.time()) + 300)
    assert seconds_left({**environment, "SLURM_JOB_END_TIME": ends}) == pytest.approx(300, abs=2)


@pytest.mark.parametrize("code", ["echo UNLIMITED", "exit 1", "echo; echo", "exec sleep 60"])
def test_no_answer_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(time_limit, "PATIENCE", 0.2)
    assert seconds_left(squeue(tmp_path, code)) is None


def test_no_squeue_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert seconds_left({"SLURM_JOB_ID": "17", "PATH": str(tmp_path)}) is None


def test_it_is_interrupted_a_minute_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    near = str(int(time.time() + MARGIN))
    with interrupts() as seen, stopping_before_the_limit({"SLURM_JOB_ID": "17", "SLURM_JOB_END_TIME": near}):
        end = time.monotonic() + 10
        while not seen and time.monotonic() < end:
            time.sleep(0.01)
    assert len(seen) == 1
    said = capsys.readouterr().err
    assert "the time limit of the Slurm job is near: stopping" in said
    assert "started without srun" in said


def test_a_step_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    far = str(int(time.time() + 3600))
    with stopping_before_the_limit({"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "0", "SLURM_JOB_END_TIME": far}):
        pass
    assert capsys.readouterr().err == ""


def test_it_is_left_alone_before_that_and_afterwards() -> None:
    soon = str(int(time.time() + MARGIN) + 2)
    with interrupts() as seen:
        with stopping_before_the_limit({"SLURM_JOB_ID": "17", "SLURM_JOB_END_TIME": soon}):
            assert not seen
        time.sleep(2.5)
        assert not seen
