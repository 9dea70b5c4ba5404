"""The line that says where a run stands: its clock is the run's, and it foretells an end only where it can."""

from __future__ import annotations

import time

import pytest

from phasemap.sweeps.progress.tally import MOST_SHOWN, Flight, Tally


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def test_the_end_is_foretold_by_cost(now: list[float]) -> None:
    tally = Tally(2, 8, cost=4.0)
    now[0] += 5  # libraries are loaded: none of the pace's business
    tally.trained_since = now[0]
    now[0] += 10
    tally.add(cells=4, cost=1.0, seconds=10.0, outcomes={"finished": 3, "dead": 1}, accuracy=[0.1, 0.9])
    line = "1/2 tiles, 4/8 cells, 0.4 cells/s, 15 s, ETA 30 s; 1 dead, 3 finished; test accuracy 0.10-0.90"
    assert tally.line() == line
    assert tally.fraction() == 1 / 4


def test_one_of_one_is_not_said_in_the_plural(now: list[float]) -> None:
    assert Tally(1, 1, cost=4.0).line() == "0/1 tile, 0/1 cell, 0 s"


def test_a_tile_in_flight_says_its_steps_and_after_a_while_the_end(now: list[float]) -> None:
    tally = Tally(2, 8, cost=40.0, workers=1)
    tally.in_flight["a"] = Flight(20.0, 600)
    now[0] += 30
    assert tally.line() == "0/2 tiles, 0/8 cells, 30 s"  # it is still starting
    tally.in_flight["a"].heard(0.0)
    now[0] += 2
    tally.in_flight["a"].heard(0.05)
    assert tally.line() == "0/2 tiles, 0/8 cells, 32 s; steps 30/600"  # too early
    now[0] += 8
    tally.in_flight["a"].heard(0.25)
    assert tally.line() == "0/2 tiles, 0/8 cells, 40 s, ETA 70 s; steps 150/600"


def test_what_an_earlier_run_has_trained_is_no_part_of_the_pace(now: list[float]) -> None:
    tally = Tally(1, 8, cost=20.0)
    flight = tally.in_flight["a"] = Flight(20.0, 600)
    flight.heard(0.8)
    now[0] += 10
    flight.heard(0.9)
    assert tally.fraction() == pytest.approx(0.9)
    assert tally.left() == pytest.approx(10)
    del tally.in_flight["a"]
    tally.add(cells=8, cost=20.0, seconds=20.0, found=flight.found, outcomes={}, accuracy=None)
    assert tally.new_cost == pytest.approx(4)


def test_the_last_tile_is_waited_for_by_all(now: list[float]) -> None:
    tally = Tally(4, 8, cost=40.0, workers=4)
    for _ in range(3):
        tally.add(cells=2, cost=10.0, seconds=10.0, outcomes={}, accuracy=None)
    tally.in_flight["d"] = Flight(10.0, 600)
    tally.in_flight["d"].heard(0.0)
    assert tally.left() == pytest.approx(10)  # not a quarter of it


def test_four_workers_are_four_times_as_fast(now: list[float]) -> None:
    tally = Tally(41, 41, cost=41.0, workers=4)
    tally.add(cells=1, cost=1.0, seconds=10.0, outcomes={}, accuracy=None)
    assert tally.left() == pytest.approx(100)


def test_what_was_measured_reprices_all(now: list[float]) -> None:
    tally = Tally(3, 3, cost=30.0)
    tally.add(cells=1, cost=10.0, seconds=7.0, outcomes={}, accuracy=None)
    tally.in_flight["b"] = Flight(10.0, 5)
    tally.in_flight["b"].heard(0.5)
    before = tally.fraction()
    tally.reprice(3.0)
    assert tally.fraction() == pytest.approx(before) == 0.5
    assert tally.left() == pytest.approx(15 * 7 / 10)


def test_of_many_tiles_the_range(now: list[float]) -> None:
    tally = Tally(9, 9, cost=9.0)
    for i in range(MOST_SHOWN + 1):
        tally.in_flight[str(i)] = Flight(1.0, 100)
        tally.in_flight[str(i)].heard(0.1 * (i + 1))
    assert tally.line().endswith("; steps of 5 tiles: 10% to 50%")


def test_nothing_is_foretold_when_all_is_done(now: list[float]) -> None:
    tally = Tally(1, 1, cost=1.0)
    tally.add(cells=1, cost=1.0, seconds=1.0, outcomes={"finished": 1}, accuracy=None)
    assert tally.line() == "1/1 tile, 1/1 cell, 0 s; 1 finished"
    assert Tally(1, 1, cost=0.0).fraction() == 1


def test_what_other_runs_do_shortens_the_rest(now: list[float]) -> None:
    tally = Tally(10, 40, cost=10.0)
    now[0] += 10
    tally.add(cells=4, cost=1.0, seconds=10.0, outcomes={}, accuracy=None)
    assert tally.left() == pytest.approx(90)
    tally.others, tally.others_cost = 2, 3.0  # six units are left, for three workers
    assert tally.left() == pytest.approx(20)
    assert "2 tiles at other runs" in tally.line()
    tally.others_cost = 9.5  # more than is left by this run's count
    assert tally.left() == pytest.approx(0)
