"""``phasemap agents``: who is started where, how often again, and what ends with whom."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from phasemap.sweeps.execution.agents import watch as agents_room
from phasemap.sweeps.execution.agents.watch import watch
from phasemap.sweeps.experiments.experiment import from_text
from phasemap.sweeps.sources import status as sources_status
from phasemap.sweeps.sources.tile_status import Status, TileStatus
from phasemap.theory.errors import InputError
from phasemap.train.machine import devices
from tests.robustness.attack import YAML

SWEEP = "testers/phasemap/sweep0"


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Counter[str]:
    """What the sweep's status says, to be changed by a test; two GPUs, and no W&B."""
    counts: Counter[str] = Counter({"finished": 4})
    monkeypatch.setattr(agents_room, "POLL", 0.02)
    monkeypatch.setattr(agents_room, "require_wandb", lambda: None)
    monkeypatch.setattr(devices, "parse", lambda _: ["cuda:0", "cuda:1"])
    monkeypatch.setattr(sources_status, "status_of_sweep", lambda _: Status("x", [TileStatus("all", counts)]))
    return counts


def agents_that_do(monkeypatch: pytest.MonkeyPatch, code: str) -> Path:
    """Every agent runs the Python ``code``; what it writes to ``log`` comes together in the file returned."""
    log = Path.cwd() / "agents.log"
    start = f"import os, sys, subprocess, time\nlog = open({str(log)!r}, 'a')\n"
    command = [sys.executable, "-c", start + code]
    monkeypatch.setattr(agents_room, "agent_command", lambda _sweep, _count: command)
    return log


def test_one_agent_for_each_gpu_which_sees_no_other(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = agents_that_do(
        monkeypatch, "print(os.environ['CUDA_VISIBLE_DEVICES'], os.getsid(0) == os.getpid(), file=log)"
    )
    assert watch(SWEEP) == 0
    assert sorted(log.read_text().splitlines()) == ["0 True", "1 True"]
    log.unlink()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")  # as a cluster gives them
    assert watch(SWEEP) == 0
    assert sorted(line.split()[0] for line in log.read_text().splitlines()) == ["4", "7"]


def test_a_sick_agent_is_started_again_within_the_limit(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = agents_that_do(monkeypatch, "print('here', file=log, flush=True); sys.exit(3)")
    cells["missing"] = 4
    assert watch(SWEEP, restarts=2) == 1
    assert len(log.read_text().splitlines()) == 2 * (1 + 2)
    said = capsys.readouterr().err
    assert said.count("ended with code 3: start 2") == 2


def test_an_agent_that_gives_up_with_code_0_is_sick_while_tiles_are_missing(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = agents_that_do(monkeypatch, "print('here', file=log, flush=True)")
    cells["missing"] = 4
    assert watch(SWEEP, restarts=1) == 1
    assert len(log.read_text().splitlines()) == 4
    log.unlink()
    del cells["missing"]
    assert watch(SWEEP, restarts=1) == 0
    assert len(log.read_text().splitlines()) == 2


def test_an_agent_that_fails_where_nothing_is_left_to_do_is_not_started_again(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As W&B's does with a sweep that is finished."""
    log = agents_that_do(monkeypatch, "print('here', file=log, flush=True); sys.exit(1)")
    assert watch(SWEEP, restarts=3) == 0
    assert len(log.read_text().splitlines()) == 2


def test_what_died_is_freed_before_the_first_agent_and_before_another_start(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    died = [1, 0, 2, 0, 0]
    cells["running"] = 2

    def status(_: str) -> Status:
        return Status("x", [TileStatus("all", cells)], free_died=lambda: died.pop(0))

    monkeypatch.setattr(sources_status, "status_of_sweep", status)
    monkeypatch.setattr(devices, "parse", lambda _: ["cpu"])
    agents_that_do(monkeypatch, "sys.exit(3)")
    watch(SWEEP, restarts=2)
    assert died == [0, 0]
    assert [line[:6] for line in capsys.readouterr().err.splitlines() if "died without" in line] == ["1 run ", "2 runs"]


def test_what_a_dead_agent_left_training_is_ended(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = agents_that_do(
        monkeypatch,
        "run = subprocess.Popen(['sleep', '100'])\nprint(run.pid, file=log, flush=True)\nos.kill(os.getpid(), 9)",
    )
    watch(SWEEP, restarts=0)
    runs = [int(line) for line in log.read_text().splitlines()]
    assert len(runs) == 2
    end = time.monotonic() + 10  # the kernel ends a killed process when it comes to it
    while any(map(alive, runs)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not [run for run in runs if alive(run)]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_with_a_count_tiles_of_other_jobs_are_no_failure(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    agents_that_do(monkeypatch, "")
    cells["missing"] = 4
    assert watch(SWEEP, count=1) == 0
    cells["failed"] = 4
    assert watch(SWEEP, count=1) == 1


def test_a_wrong_key_or_sweep_is_told_once_before_any_agent(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = agents_that_do(monkeypatch, "print('here', file=log, flush=True)")
    asked: list[str] = []

    def no_such_sweep(source: str) -> Status:
        asked.append(source)
        raise InputError(f"{source}: cannot be read: Could not find sweep")

    monkeypatch.setattr(sources_status, "status_of_sweep", no_such_sweep)
    with pytest.raises(InputError, match="cannot be read: Could not find sweep"):
        watch(SWEEP)
    assert asked == [f"wandb:{SWEEP}"]
    assert not log.exists()


def test_a_sweep_that_makes_no_map_is_refused_before_any_agent(
    cells: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = agents_that_do(monkeypatch, "print('here', file=log, flush=True)")
    text = YAML + "  gamma: {value: [1.0, 2.0]}\n"
    experiment = from_text(text, name="mine", preset="of the sweep", source=SWEEP)
    monkeypatch.setattr(sources_status, "status_of_sweep", lambda _: Status("mine", experiment=experiment))
    with pytest.raises(InputError, match="these vary too: gamma"):
        watch(SWEEP)
    assert not log.exists()
