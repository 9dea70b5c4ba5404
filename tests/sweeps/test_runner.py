"""The local runner: every tile once, whatever dies; what cannot be done is marked and said; the rest goes on."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import sweeps.run
from sweeps.progress import Progress, Quiet, Tally
from sweeps.run import expected, interruptible
from sweeps.runner import Runner
from sweeps.status import of_folder
from sweeps.store.folder import Folder
from sweeps.wandb_agents import session_members
from sweeps.worker_process import Tile, WorkerProcess
from tests.sweeps.runs import ROOT, exported, run_fake, start_fake, trainings, write_experiment
from theory.errors import InputError


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FAKE_TROUBLE", str(tmp_path / "trouble"))
    return tmp_path / "log"


@pytest.fixture
def six(tmp_path: Path) -> Path:
    return write_experiment(tmp_path / "six.yaml", 6)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


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
    assert "6 of 6 tiles are there already" in capfd.readouterr().err
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


def test_a_run_that_was_itself_stopped_takes_nobody_to_be_stuck(tmp_path: Path) -> None:
    """Ctrl-Z and fg: the workers were stopped with it."""
    given: dict[str, Any] = {"devices": ["cpu"], "tally": Tally(1, 1, 1.0), "progress": Quiet(), "stuck_after": 3.0}
    runner = Runner(Folder(tmp_path), [], **given)
    process = subprocess.Popen(["sleep", "60"])
    worker = SimpleNamespace(tile=Tile("k", {}, 1.0), ready=True, last_sign=time.monotonic() - 9, process=process)
    runner.workers = [cast(WorkerProcess, worker)]
    runner.looked -= 9
    runner._watch()
    assert process.poll() is None
    worker.last_sign -= 9
    runner._watch()
    assert process.wait(10) == -signal.SIGKILL
    runner.selector.close()


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


def test_a_full_disk_stops_the_run_and_damages_nothing(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trouble").write_text("12 full\n")
    assert run_fake(six, tmp_path / "out", workers=1) == 1
    assert "No space left on device; free some space and start again" in capfd.readouterr().err
    status = of_folder(tmp_path / "out")
    assert not status.problems
    assert status.cells["failed"] == 0
    (tmp_path / "trouble").unlink()
    assert run_fake(six, tmp_path / "out") == 0


def test_a_really_full_disk(tmp_path: Path) -> None:
    """A tmpfs too small for the results, in a name space of its own."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from tests.sweeps.runs import *\n"
        "from contextlib import suppress; from phasemap import main; from sweeps.status import of_folder\n"
        "out, filler = Path('disk/out'), Path('disk/filler')\n"
        "filler.write_bytes(b'x' * 200_000)\n"
        "first = run_fake(write_experiment(Path('e.yaml'), 30), out, workers=2)\n"
        "status = of_folder(out)\n"
        "assert first == 1 and not status.problems and not status.complete, (first, status)\n"
        "results = [file.read_bytes() for file in sorted((out / 'tiles').iterdir())]\n"
        "free = b'x' * 4096\n"
        "with suppress(OSError), Path('disk/more').open('wb', 0) as more:\n"
        "    while more.write(free): pass\n"
        "for arguments in ('csv', 'netcdf'):\n"
        "    try: main(['export', str(out), '--format', arguments, '--out', f'disk/cells.{arguments}'])\n"
        "    except SystemExit as ended: assert ended.code == 1\n"
        "    assert not list(Path('disk').glob('*cells*'))\n"
        "assert results == [file.read_bytes() for file in sorted((out / 'tiles').iterdir())]\n"
        "filler.unlink(), Path('disk/more').unlink()\n"
        "assert run_fake(Path('e.yaml'), out) == 0 and of_folder(out).complete\n"
    )
    (tmp_path / "disk").mkdir()
    mounted = 'mount -t tmpfs -o size=256k,nr_inodes=1000 tmpfs disk && exec "$@"'
    probe = (
        subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
        if shutil.which("unshare")
        else None
    )
    if probe is None or probe.returncode:
        pytest.skip("no private mounts here")
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, "sh", sys.executable, "-c", script, str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "No space left on device; free some space" in ended.stderr
    assert len(re.findall(r"phasemap: error: .*: No space left on device$", ended.stderr, re.MULTILINE)) == 2


def test_damaged_foreign_and_newer_files_are_reported_and_trained_again(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run_fake(six, out)
    undisturbed = exported(out)
    first, second, third, *rest = sorted((out / "tiles").iterdir())
    first.write_bytes(first.read_bytes()[:100])
    second.write_bytes(rest[0].read_bytes())
    newer = third.read_text().replace('"schema": 1', '"schema": 2')
    third.write_text(newer)
    (out / "tiles" / "stray.json").write_text("{}")
    log.unlink()
    capfd.readouterr()
    assert run_fake(six, out, quiet=True) == 0
    said = capfd.readouterr().err
    assert f"damaged result file {first.name}: it is not whole JSON; it will be trained again" in said
    assert f"foreign result file {second.name}" in said
    assert "foreign result file stray.json: it has no content and provenance; it is left alone" in said
    assert f"newer result file {third.name}: schema 2; this program reads 1 to 1; it is kept in newer/" in said
    assert (out / "newer" / third.name).read_text() == newer
    assert len(trainings(log)[0]) == 3
    assert exported(out) == undisturbed
    assert (out / "tiles" / "stray.json").exists()


def test_two_runs_on_one_folder_share_the_work(six: Path, tmp_path: Path, log: Path) -> None:
    both = [start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "0.3"}) for _ in range(2)]
    ends = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    started, _ = trainings(log)
    assert set(started.values()) == {1}
    assert all("6/6 tiles" in text for text in ends)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_cleanly_and_says_what_is_left(six: Path, tmp_path: Path, log: Path, number: int) -> None:
    process = start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "0.5"})
    wait_for(lambda: len(trainings(log)[0]) >= 2)
    os.killpg(process.pid, number)  # as a terminal does: to the workers too
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    started, ended = trainings(log)
    assert started == ended, "tiles in flight were not left to finish"
    assert f"interrupted: {6 - len(ended)} of 6 tiles are left; the same command goes on" in said
    assert not session_alive(process.pid)
    assert run_fake(six, tmp_path / "out") == 0
    assert set(trainings(log)[0].values()) == {1}


def test_long_tiles_are_saved_on_an_interrupt_and_go_on(six: Path, tmp_path: Path, log: Path) -> None:
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
    assert not session_alive(process.pid)
    assert run_fake(six, tmp_path / "out") == 0
    assert log.read_text().count("resumed") == 2
    assert {file.stem for file in (tmp_path / "out" / "tiles").glob("*.json")} > saved
    assert not list((tmp_path / "out" / "locks").glob("*.ckpt*"))


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


def session_alive(session: int) -> list[int]:
    return [member for member in session_members(session) if Path(f"/proc/{member}").exists()]


def test_workers_die_with_their_runner(six: Path, tmp_path: Path, log: Path) -> None:
    process = start_fake(six, tmp_path / "out", env={"FAKE_SECONDS": "60"})
    wait_for(lambda: len(trainings(log)[0]) >= 2)
    assert len(session_alive(process.pid)) == 3
    process.kill()  # the runner alone
    process.communicate(timeout=30)
    wait_for(lambda: not session_alive(process.pid), 10)


def contents(out: Path) -> dict[str, Any]:
    """What the folder's results hold, by file."""
    return {path.name: json.loads(path.read_text())["content"] for path in (out / "tiles").glob("*.json")}


def test_chaos(tmp_path: Path, log: Path) -> None:
    """60 tiles, 4 workers; workers and groups are killed at random; nothing is lost, damaged or trained in vain."""
    experiment = write_experiment(tmp_path / "sixty.yaml", 60)
    run_fake(experiment, tmp_path / "calm", workers=4)
    log.unlink()
    rng, out = random.Random(0), tmp_path / "out"
    killed_groups = killed_workers = 0
    safe: dict[str, int] = {}  # tiles whose results were there when a group was killed: how often they had been started
    for _ in range(5):
        process = start_fake(experiment, out, workers=4, env={"FAKE_SECONDS": "0.15"})
        before = sum(trainings(log)[0].values())
        wait_for(lambda: sum(trainings(log)[0].values()) >= before + 4 or process.poll() is not None)  # noqa: B023
        for _ in range(2):
            time.sleep(rng.uniform(0, 0.2))
            workers = [member for member in session_alive(process.pid) if member != process.pid]
            if workers and process.poll() is None:
                os.kill(rng.choice(workers), signal.SIGKILL)
                killed_workers += 1
        time.sleep(rng.uniform(0, 0.4))
        ran_out = process.poll() is not None
        if not ran_out:
            os.killpg(process.pid, signal.SIGKILL)
            killed_groups += 1
        process.communicate(timeout=30)
        if ran_out:
            break
        assert not of_folder(out).problems
        starts = trainings(log)[0]
        for content in contents(out).values():
            safe.setdefault(
                name := f"{content['parameters']['batch_size']}-{content['parameters']['width']}", starts[name]
            )
    assert killed_groups >= 3
    assert run_fake(experiment, out, workers=4) == 0
    started, ended = trainings(log)
    in_flight = sum(started.values()) - sum(ended.values())
    assert in_flight >= killed_groups, "the kills did not hit tiles in flight"
    # Trained twice is only what a kill caught in flight: at most one tile of each worker that died.
    assert in_flight <= sum(started.values()) - 60 <= killed_workers + 4 * killed_groups
    assert len(safe) > 10
    assert {name: started[name] for name in safe} == safe
    assert len(ended) == 60
    assert of_folder(out).complete
    assert contents(out) == contents(tmp_path / "calm")
    assert exported(out) == exported(tmp_path / "calm")


def test_mistakes_are_told_before_anything_is_trained(six: Path, tmp_path: Path, log: Path) -> None:
    with pytest.raises(InputError, match="larger than the training set"):
        run_fake(six, tmp_path / "out", settings=["batch_size=[8, 2000]"])
    with pytest.raises(InputError, match="--workers 0"):
        run_fake(six, tmp_path / "out", workers=0)
    with pytest.raises(InputError, match="--devices 7: there is no GPU 7"):
        run_fake(six, tmp_path / "out", device_list="7")
    with pytest.raises(InputError, match="expected cpu, or numbers"):
        run_fake(six, tmp_path / "out", device_list="gpu")
    assert not (tmp_path / "out").exists()
    assert not log.exists()


def test_check_says_cells_tiles_and_cost_and_makes_nothing(
    six: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_fake(six, tmp_path / "out", check=True) == 0
    said = capfd.readouterr().out
    assert "tiles:  6, one per value of width (6)" in said
    assert "cells:  24, stacked over depth (2), seed (2)" in said
    assert "FLOP" in said
    assert not (tmp_path / "out").exists()


def test_the_cost_is_said_first_and_corrected_after_the_first_tile(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_fake(six, tmp_path / "out") == 0
    first, second, *rest = capfd.readouterr().err.splitlines()
    assert re.fullmatch(r"six, preset paper: 24 cells in 6 tiles, 10 steps each, \S+ FLOP", first)
    assert re.fullmatch(r"expected: about \d+ s with 2 workers on cpu; a guess, corrected after the first tile", second)
    pattern = r"the first tile took \d+ s, expected were \d+ s: about \d+ s are left"
    assert sum(re.fullmatch(pattern, line) is not None for line in rest) == 1
    assert run_fake(six, tmp_path / "out", quiet=True) == 0
    assert capfd.readouterr().err == ""


def test_a_long_run_names_the_shorter_presets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paper's scale is the default: who did not mean days is told at once what takes minutes."""
    monkeypatch.setattr(sweeps.run, "LONG", 1.0)
    assert run_fake("bn-fig3a", tmp_path / "out") == 0
    first, second, *rest = capfd.readouterr().err.splitlines()
    assert first.startswith("bn-fig3a, preset paper: 480 cells in 8 tiles, 10 to 1250 steps each, ")
    assert second.startswith("expected: about")
    assert any(line.startswith("shorter: --preset smoke, about") for line in rest)


def test_expected_is_the_end_of_the_last_worker() -> None:
    tiles = [Tile(str(cost), {}, cost) for cost in (1.0, 5.0, 2.0, 2.0)]
    assert expected(tiles, ["cpu"]) == 10
    assert expected(tiles, ["cpu"] * 2) == 5
    assert expected([], ["cpu"]) == 0


def test_progress_is_a_bar_in_a_terminal(six: Path, tmp_path: Path, log: Path) -> None:
    terminal, side = pty.openpty()
    process = start_fake(six, tmp_path / "out", stderr=side, env={"TERM": "xterm", "COLUMNS": "150"})
    os.close(side)
    seen = b""
    with suppress(OSError):  # the other side is closed
        while data := os.read(terminal, 4096):
            seen += data
    os.close(terminal)
    process.communicate(timeout=30)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())
    assert "expected: about" in text
    assert "the first tile took" in text
    assert "━" in text
    assert "6/6 tiles, 24/24 cells" in text


def test_sigterm_before_the_first_tile_is_an_interrupt_too(six: Path, tmp_path: Path, log: Path) -> None:
    @interruptible
    def command() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    assert command() == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_tally_foretells_the_end_by_cost() -> None:
    tally = Tally(2, 8, cost=4.0, started=time.monotonic() - 10)
    tally.add(cells=4, cost=1.0, new=True, outcomes={"finished": 3, "dead": 1}, accuracy=[0.1, 0.9])
    line = tally.line()
    assert line.startswith("1/2 tiles, 4/8 cells, 0.4 cells/s, ETA 30 s; 1 dead, 3 finished; test accuracy 0.10-0.90")
    tally.partial["x"] = 1.5
    assert tally.fraction() == pytest.approx(2.5 / 4)
    assert "ETA 6 s" in tally.line()


def test_plain_progress_is_a_line_a_tile_and_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown, tally = Progress(), Tally(2, 8, cost=4.0)
    for _ in range(605):  # a minute, in turns of a tenth of a second
        shown.update(tally)
        now[0] += 0.1
    tally.add(cells=4, cost=1.0, new=True, outcomes={}, accuracy=None)
    for _ in range(20):
        shown.update(tally)
        now[0] += 0.1
    assert [line.split(" tiles")[0] for line in capsys.readouterr().err.splitlines()] == ["0/2", "0/2", "1/2"]
