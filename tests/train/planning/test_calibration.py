"""The machine's rates: solved from measured times, kept in the cache folder, measured in a second or two."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from phasemap.train.machine import speed
from phasemap.train.machine.speed import GUESSES, Rates, calibrated, keep, rates
from phasemap.train.planning import calibration
from phasemap.train.planning.calibration import SLOWER, STACKS, calibrate


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    speed.forget()
    yield tmp_path / "phasemap" / "speed.json"
    speed.forget()


def test_rates_that_give_the_times_are_found() -> None:
    parts = np.array([[1e9, 1e6, 100.0], [1e7, 1e8, 500.0], [1e5, 1e5, 9000.0]])
    true = Rates(flops=7e10, bandwidth=9e9, launch=4e-6)
    times = parts @ np.array([1 / true.flops, 1 / true.bandwidth, true.launch])
    found = calibration._solve(parts, times, GUESSES["cpu"])
    assert (found.flops, found.bandwidth, found.launch) == pytest.approx((true.flops, true.bandwidth, true.launch))


def test_a_rate_that_the_times_do_not_show_is_no_more_than_so_many_times_the_guess() -> None:
    parts = np.array([[1e9, 1e6, 100.0], [1e7, 1e8, 500.0]])
    found = calibration._solve(parts, parts[:, 1] / 1e10, GUESSES["cpu"])
    assert found.flops == pytest.approx(SLOWER * GUESSES["cpu"].flops)


def test_the_stacks_lay_their_weight_on_different_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def solve(parts: np.ndarray, times: np.ndarray, guess: Rates) -> Rates:
        seen.append(parts / np.array([guess.flops, guess.bandwidth, 1 / guess.launch]))
        return guess

    monkeypatch.setattr(calibration, "_solve", solve)
    monkeypatch.setattr(calibration, "_seconds_of_a_step", lambda points, device: 1.0)
    calibrate()
    (shares,) = seen
    assert np.argmax(shares / shares.sum(axis=1, keepdims=True), axis=1).tolist() == [0, 1, 2]
    assert len(STACKS) == 3


def test_it_measures_this_machine_in_seconds_and_keeps_it(cache: Path) -> None:
    assert not calibrated()
    assert rates("cpu") == GUESSES["cpu"]
    started = time.perf_counter()
    found = calibrate()
    assert time.perf_counter() - started < 30  # one or two on an idle machine
    assert calibrated()
    assert rates("cpu") == found
    speed.forget()
    assert rates("cpu") == found
    assert rates("cuda:0") == GUESSES["cuda"]
    for one, guess in zip(vars(found).values(), vars(GUESSES["cpu"]).values(), strict=True):
        assert 1 / 100 < one / guess < 100
    assert [path.name for path in cache.parent.iterdir()] == ["speed.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"machine": "another", "rates": {}}',
        '{"rates": {"cpu": {"flops": 1}}}',
        "MACHINE NaN",
        "MACHINE 0",
        'MACHINE "x"',
    ],
)
def test_a_damaged_or_foreign_file_is_as_none(text: str, cache: Path) -> None:
    keep("cpu", Rates(1e11, 1e10, 1e-6))
    if text.startswith("MACHINE "):
        document = json.loads(cache.read_text())
        document["rates"]["cpu"]["flops"] = "VALUE"
        text = json.dumps(document).replace('"VALUE"', text.removeprefix("MACHINE "))
    cache.write_text(text)
    speed.forget()
    assert not calibrated()
    assert rates("cpu") == GUESSES["cpu"]


def test_a_folder_that_cannot_be_written_leaves_the_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    keep("cpu", Rates(1e11, 1e10, 1e-6))
    assert not calibrated()
