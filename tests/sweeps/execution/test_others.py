"""What a run sees of the other runs on its folder, and who of them draws the report."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from phasemap.sweeps.execution import one_report, others
from phasemap.sweeps.execution.one_report import draw_report
from phasemap.sweeps.execution.others import Others
from phasemap.sweeps.report import draw
from phasemap.sweeps.store import tile_lock
from phasemap.sweeps.store.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "out")
    found.tiles.mkdir(parents=True)
    found.locks.mkdir()
    return found


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every drawing of a report, which writes a page of nothing."""
    pages: list[Path] = []

    def write(sources: list[str], **_: object) -> Path:
        page = Path(sources[0]) / "report.html"
        page.write_text("")
        pages.append(page)
        return page

    monkeypatch.setattr(draw, "draw", write)
    return pages


def test_what_they_have_done_and_hold(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Others(folder)
    assert seen.due
    (folder.tiles / "a.json").touch()
    with folder.lock("b") as mine, folder.lock("theirs"):
        assert mine
        seen.look({"a": 3.0, "b": 2.0, "c": 1.0})
        assert (seen.done, set(seen.holders)) == (3.0, {"b"})
        assert str(seen) == f"process {os.getpid()} on {os.uname().nodename}"
    assert not seen.due
    monkeypatch.setattr(others, "LOOK", 0.0)
    assert seen.due
    seen.look({"b": 2.0})
    assert (seen.done, seen.holders, str(seen)) == (0.0, {}, "")


def test_of_runs_that_waited_the_first_draws(folder: Folder, drawn: list[Path]) -> None:
    (folder.tiles / "a.json").touch()
    assert draw_report(folder, waited=True) == folder.path / "report.html"
    assert draw_report(folder, waited=True) == folder.path / "report.html"
    assert len(drawn) == 1
    later = time.time() + 10
    os.utime(folder.tiles / "a.json", (later, later))
    draw_report(folder, waited=True)
    assert len(drawn) == 2
    draw_report(folder, waited=False)  # somebody asks for it
    assert len(drawn) == 3
    assert not list(folder.locks.iterdir())


def test_of_runs_that_end_together_one_draws(folder: Folder, drawn: list[Path]) -> None:
    held, over = threading.Event(), threading.Event()

    def other() -> None:
        with tile_lock.holding(folder.locks / "report.lock") as mine:
            assert mine
            held.set()
            over.wait(20)

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(20)
    assert draw_report(folder, waited=True) == folder.path / "report.html"
    over.set()
    thread.join()
    assert not drawn
    assert one_report.draw_report(folder, waited=True).exists()
    assert len(drawn) == 1
