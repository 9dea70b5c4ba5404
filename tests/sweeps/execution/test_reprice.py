"""A worker that measures this machine's speed: the scheduler guesses its tiles' times again, and says so once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from phasemap.sweeps.execution.events import Done, Event, Ready
from phasemap.sweeps.execution.scheduler import Scheduler
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.progress.display import ShownProgress
from phasemap.sweeps.progress.tally import Tally
from phasemap.sweeps.store.folder import Folder
from phasemap.train.machine import speed
from phasemap.train.machine.speed import Rates
from phasemap.train.planning.cost import Cost

HEAVY, MANY = Cost(flops=1e12), Cost(launches=1e6)
"""Which of the two takes longer depends on the machine."""


class Measures:
    """An executor of two slots whose workers both measure, and that notes the order in which it is given tiles."""

    slots = ("cpu", "cpu")

    def __init__(self) -> None:
        self.given: list[str] = []
        self.ready = False

    def start(self, tile: Tile) -> None:
        self.given.append(tile.key)

    def events(self, timeout: float) -> Iterable[Event]:
        if not self.ready:
            self.ready = True
            speed.keep("cpu", Rates(flops=1e13, bandwidth=1e10, launch=1e-3))
            return [Ready(measured=True), Ready(measured=True)]
        return [Done(self.given[-1], True, {}, None), Done(self.given[-2], True, {}, None)]

    def stop(self, *, at_once: bool) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[None]:
    monkeypatch.setattr(speed, "_file", lambda: tmp_path / "speed.json")
    speed.forget()
    yield
    speed.forget()


def test_the_expectation_is_corrected_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    speed.keep("cpu", Rates(flops=1e9, bandwidth=1e10, launch=1e-6))
    tiles = [Tile(f"{name}{i}", {}, price) for name, price in (("many", MANY), ("heavy", HEAVY)) for i in range(2)]
    tally = Tally(4, 4, sum(tile.seconds("cpu") for tile in tiles))
    before = tally.cost
    executor = Measures()
    Scheduler(Folder(tmp_path), tiles, executor=executor, tally=tally, progress=ShownProgress()).run()
    assert executor.given == ["heavy0", "heavy1", "many0", "many1"]
    said = capfd.readouterr().err.splitlines()
    corrected = [line for line in said if "this machine was measured" in line]
    assert corrected == ["expected, now that this machine was measured: about 17 min with 2 workers on cpu"]
    assert tally.cost == pytest.approx(2 * MANY.seconds("cpu") + 2 * HEAVY.seconds("cpu"))
    assert tally.cost != pytest.approx(before)
    assert tally.fraction() == pytest.approx(1)
