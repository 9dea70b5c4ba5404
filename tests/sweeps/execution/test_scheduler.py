"""A run with worker processes: every tile once; what cannot be done is marked and said, the rest goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from phasemap.sweeps.sources.status import of_folder
from phasemap.sweeps.store.folder import Folder
from tests.sweeps.runs import exported, run_fake, start_fake, trainings, wait_for


def test_every_tile_is_trained_once_and_a_second_run_trains_nothing(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_fake(six, tmp_path / "out") == 0
    started, ended = trainings(log)
    assert len(started) == 6
    assert set(started.values()) == {1}
    assert started == ended
    assert "6/6 tiles, 24/24 cells" in capfd.readouterr().err
    assert run_fake(six, tmp_path / "out") == 0
    assert trainings(log)[0] == started
    assert "6 of 6 tiles there already" in capfd.readouterr().err
    status = of_folder(tmp_path / "out")
    assert status.cells == {"finished": 12, "diverged": 12}
    assert status.complete
    assert len(exported(tmp_path / "out").splitlines()) == 25


def test_the_costliest_tile_is_started_first(six: Path, tmp_path: Path, log: Path) -> None:
    run_fake(six, tmp_path / "out", workers=1)
    widths = [int(line.split("-")[1]) for line in log.read_text().splitlines() if line.startswith("start")]
    assert widths == sorted(widths, reverse=True)


def test_one_failure_costs_a_retry_and_two_mark_the_tile_with_its_log(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (tmp_path / "trouble").write_text("10 raise\n11 once-raise\n12 kill\n13 once-kill\n14 input\n")
    assert run_fake(six, out) == 1
    said = capfd.readouterr().err
    started, _ = trainings(log)
    counts = {int(name.split("-")[1]): count for name, count in started.items()}
    assert counts == {10: 2, 11: 2, 12: 2, 13: 2, 14: 1, 15: 1}
    folder = Folder(out)
    reasons = sorted(mark["reason"] for mark in folder.failures().values())
    assert reasons == [
        "RuntimeError: made to fail in ~",
        "the worker was killed by SIGKILL (out of memory?)",
        "width: 14: not to be had",
    ]
    assert "3 of 6 tiles failed" in said
    logs = {path.stem: path.read_text() for path in folder.logs.glob("*.log")}
    assert any("a line for the log" in text and "Traceback" in text for text in logs.values())
    assert all(str(Path.home()) not in text for text in logs.values())
    status = of_folder(out)
    assert (status.cells["failed"], status.cells["finished"] + status.cells["diverged"]) == (12, 12)
    (tmp_path / "trouble").unlink()
    assert run_fake(six, out) == 0  # starting again gives each another chance
    assert of_folder(out).complete
    assert not folder.failures()


def test_a_stuck_worker_is_killed_and_its_tile_tried_again(six: Path, tmp_path: Path, log: Path) -> None:
    (tmp_path / "trouble").write_text("12 once-stuck\n")
    assert run_fake(six, tmp_path / "out", stuck_after=3.0) == 0
    started, _ = trainings(log)
    assert sorted(started.values()) == [1, 1, 1, 1, 1, 2]


@pytest.mark.slow
def test_a_tile_that_is_stuck_twice_is_marked_failed_and_the_rest_goes_on(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trouble").write_text("12 stuck\n")
    out = tmp_path / "out"
    assert run_fake(six, out, stuck_after=4.0) == 1
    assert "one more attempt" in capfd.readouterr().err
    assert trainings(log)[0]["64-12"] == 2
    ((key, mark),) = Folder(out).failures().items()
    assert mark == {
        "attempts": 2,
        "reason": "the worker was stuck: no sign of life for 4 s",
        "log": f"logs/{key}.log",
    }
    assert "given up after 2 attempts" in (out / mark["log"]).read_text()
    assert (of_folder(out).cells["failed"], of_folder(out).cells["missing"]) == (4, 0)


def test_what_a_killed_worker_left_in_its_log_is_redacted_by_the_next_run(
    six: Path, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ken-of-mine")
    (tmp_path / "trouble").write_text("12 once-told-kill\n13 told-kill\n")
    process = start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "0.3"})
    wait_for(lambda: len(list((tmp_path / "out" / "logs").glob("*.log"))) >= 1 and len(trainings(log)[1]) >= 1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert run_fake(six, tmp_path / "out") == 1
    texts = [file.read_text() for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert any("$MY_TOKEN" in text for text in texts)
    assert not any("t0ken-of-mine" in text or f"{Path.home()}/" in text for text in texts)


def test_two_runs_on_one_folder_share_the_work(six: Path, tmp_path: Path, log: Path) -> None:
    both = [start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "0.3"}) for _ in range(2)]
    ends = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    started, _ = trainings(log)
    assert set(started.values()) == {1}
    assert all("6/6 tiles" in text for text in ends)


def test_a_run_beside_the_users_own_modules(six: Path, tmp_path: Path, log: Path) -> None:
    """Worker processes do not search their current folder, where modules may have the names of our rooms."""
    for name in ("models", "train", "theory", "sweeps", "phasemap"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('nobody asked for this')\n")
    assert run_fake(six, tmp_path / "out") == 0
