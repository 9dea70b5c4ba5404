"""What a run says: its mistakes and its cost beforehand, its progress meanwhile."""

from __future__ import annotations

import os
import pty
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest

import phasemap.sweeps.execution.run
from phasemap.sweeps.execution.plan import START_UP, expected
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.progress.display import ShownProgress
from phasemap.sweeps.progress.tally import Tally
from phasemap.theory.errors import InputError
from phasemap.train.planning.cost import Cost
from tests.sweeps.runs import run_fake, start_fake


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
    assert re.fullmatch(r"six, without a preset: 24 cells in 6 tiles, 10 steps each, \S+ FLOP", first)
    assert re.fullmatch(
        r"expected: about \d+ s with 2 workers on cpu; (a guess, )?corrected after the first tile", second
    )
    pattern = r"the first tile took \d+ s, expected were \d+ s: about \d+ s are left"
    assert sum(re.fullmatch(pattern, line) is not None for line in rest) == 1
    assert run_fake(six, tmp_path / "out", quiet=True) == 0
    assert capfd.readouterr().err == ""


def test_a_long_run_names_the_shorter_presets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paper's scale is the default: who did not mean days is told at once what takes minutes."""
    monkeypatch.setattr(phasemap.sweeps.execution.run, "LONG", 1.0)
    assert run_fake("bn-fig3a", tmp_path / "out") == 0
    first, second, *rest = capfd.readouterr().err.splitlines()
    assert first.startswith("bn-fig3a, preset paper: 480 cells in 8 tiles, 10 to 1250 steps each, ")
    assert second.startswith("expected: about")
    assert any(line.startswith("shorter: --preset smoke, about") for line in rest)


def test_expected_is_the_end_of_the_last_worker() -> None:
    second = 1 / Cost(flops=1.0).seconds("cpu")
    tiles = [Tile(str(seconds), {}, Cost(flops=seconds * second)) for seconds in (1, 5, 2, 2)]
    assert expected(tiles, ["cpu"]) == pytest.approx(START_UP + 10)
    assert expected(tiles, ["cpu"] * 2) == pytest.approx(START_UP + 5)
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


def test_plain_progress_is_a_line_a_tile_and_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown, tally = ShownProgress(), Tally(2, 8, cost=4.0)
    for _ in range(605):  # a minute, in turns of a tenth of a second
        shown.update(tally)
        now[0] += 0.1
    tally.add(cells=4, cost=1.0, seconds=1.0, outcomes={}, accuracy=None)
    for _ in range(20):
        shown.update(tally)
        now[0] += 0.1
    assert [line.split(" tiles")[0] for line in capsys.readouterr().err.splitlines()] == ["0/2", "0/2", "1/2"]
