"""Times the methods of a row in turns, and says what came of it: rates, ratios, memory, distance to the roofline.

A rate counts cell·steps: one step of stochastic gradient descent of one network. It is that of the steps alone: every
repetition trains twice, a few steps and many, and the difference counts, which leaves out initial weights, data, set-up
and evaluation (a map's trainings are long). Ratios are formed within a repetition, so that what slows the machine for a
while slows both sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phasemap.train.bench.cases import (
    AGENT,
    ENGINE,
    GEMM_FRACTION,
    JAX,
    LIGHTNING,
    ONE_BY_ONE,
    QUICK_METHODS,
    WORKERS,
    Row,
)
from phasemap.train.bench.process import (
    MethodError,
    MethodProcess,
    Timing,
    memory_and_time,
    run_agent,
    train_afresh,
    train_together,
)
from phasemap.train.data.catalogue import DataSize
from phasemap.train.planning.cost import cell_count

LEAST_STEPS, MOST_STEPS, MOST_FACTOR = 4, 4096, 8
Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """How the bench is run.

    Attributes:
        device: ``cpu`` or ``cuda:0``.
        seconds: that the difference between the two trainings should take.
        data: of the data set that every tile is trained on.
        extra: parameters of every tile (where that data set is).
        peaks: of ``roofline.measure_peaks``.
    """

    device: str
    repeats: int
    seconds: float
    quick: bool
    data: DataSize
    extra: Mapping[str, Any]
    peaks: Mapping[str, float]
    say: Say

    @property
    def short(self) -> int:
        """Steps of the engine's short training: past what the first steps cost more (on a GPU, capturing a graph)."""
        return 20 if self.device.startswith("cuda") else 2

    @property
    def first(self) -> int:
        """Steps that the search for as many as take ``seconds`` begins with: on a GPU, whose tiles take seconds to set
        up and milliseconds a step, fewer would be lost in what the set-up varies by."""
        return 64 if self.device.startswith("cuda") else 4


class Contestant:
    """One method, its processes, and the tiles that they train at once.

    Args:
        whole: steps of a training that is timed from the start of its processes to their end.
    """

    def __init__(
        self, method: str, tile: Mapping[str, Any], single: Mapping[str, Any], bench: Bench, whole: int | None = None
    ) -> None:
        self.method, self.bench, self.whole = method, bench, whole
        self.tiles = [{**part, **bench.extra} for part in tiles_of(method, tile, single)]
        self.cells = sum(map(cell_count, self.tiles))
        self.short = bench.short if method in (ENGINE, WORKERS) else min(bench.short, 4)
        self.processes: list[MethodProcess] = []
        self.steps = whole or 0
        self.timings: list[tuple[Timing, Timing]] = []
        self.memory: dict[str, int] = {}

    def start(self) -> None:
        """Starts the processes, unless each training starts its own."""
        if self.whole is None and self.method != AGENT:
            trainer = ENGINE if self.method == WORKERS else self.method
            self.processes = [MethodProcess(trainer, self.bench.device) for _ in self.tiles]

    def begin(self) -> None:
        """Waits until the processes are ready, and warms up."""
        for process in self.processes:
            process.reply()
        self.train(self.short)

    def train(self, steps: int) -> Timing:
        """Trains all cells for so many steps."""
        tiles = [{**tile, "steps": steps} for tile in self.tiles]
        if self.method == AGENT:
            timing, peak = run_agent(tiles[0], self.bench.device)
            self.memory = {"peak_bytes": max(peak, self.memory.get("peak_bytes", 0))}
        elif self.whole:
            timing, self.memory = train_afresh(tiles, self.bench.device)
        else:
            timing = train_together(self.processes, tiles)
        return timing

    def calibrate(self) -> None:
        """Finds the steps whose training takes about the seconds wanted."""
        if self.whole or self.method == AGENT:
            return
        before, self.steps = self.train(self.short).wall, self.bench.first
        while self.steps < MOST_STEPS:
            took = self.train(self.short + self.steps).wall - before
            if took >= self.bench.seconds / 2:
                if took > 2 * self.bench.seconds:
                    self.steps = max(LEAST_STEPS, round(self.steps * self.bench.seconds / took))
                break
            factor = self.bench.seconds / took if took > 0 else MOST_FACTOR
            self.steps = min(MOST_STEPS, round(self.steps * min(max(factor, 2), MOST_FACTOR)))

    def measure(self) -> None:
        """One repetition. Of an agent that is not timed as a whole, the first steps only: what it takes to start."""
        short = Timing(0.0, 0.0) if self.whole else self.train(self.short)
        steps = self.whole or self.short + self.steps
        self.timings.append((short, self.train(steps) if self.steps else short))

    def close(self) -> None:
        """Asks for the peak memory and ends the processes."""
        try:
            used = [memory_and_time(process) for process in self.processes]
        except MethodError:
            used = []
        for process in self.processes:
            process.close()
        for name in ("peak_bytes", "start_bytes", "device_peak_bytes"):
            if used and name in used[0]:
                self.memory[name] = sum(one[name] for one in used)

    def set_up(self) -> float | None:
        """Seconds that a training takes beside its steps (an agent's: with its first steps)."""
        if self.whole:
            return None
        rate, short = summary(self.rates("wall")), statistics.median(short.wall for short, _ in self.timings)
        return max(0.0, short - self.short * self.cells / rate["median"]) if rate else short

    def rates(self, clock: str) -> list[float | None]:
        """Cell·steps per second of each repetition, by the ``wall`` or ``cpu`` clock; None where noise was larger."""
        seconds = [getattr(long, clock) - getattr(short, clock) for short, long in self.timings]
        return [self.cells * self.steps / passed if passed > 0 else None for passed in seconds]


def tiles_of(method: str, tile: Mapping[str, Any], single: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each process of a method trains: all cells, half of them, or those that stand for all."""
    if method == AGENT:
        chosen = {**tile, **single}
        return [{name: value[0] if isinstance(value, list) else value for name, value in chosen.items()}]
    if method in ONE_BY_ONE:
        return [{**tile, **single}]
    if method == WORKERS:  # halves that cost the same, or nearly
        axis = "depth" if len(tile["seed"]) % 2 else "seed"
        return [{**tile, axis: tile[axis][first::2]} for first in (0, 1)]
    return [dict(tile)]


@dataclass
class Race:
    """What the methods of one row did; ``say`` hears why one did not."""

    say: Say
    contestants: dict[str, Contestant]
    reasons: dict[str, str] = field(default_factory=dict)

    def attempt(self, method: str, work: Callable[[Contestant], None]) -> None:
        """Lets one method do something, or notes why it cannot."""
        try:
            work(self.contestants[method])
        except MethodError as error:
            self.reasons[method] = str(error)
            self.say(f"{method} skipped: {error}")
            self.contestants.pop(method).close()


def compare(name: str, row: Row, bench: Bench) -> dict[str, Any]:
    """One row of the results (docs/bench.md)."""
    tile = {**row.tile, **(row.quick if bench.quick else {})}
    methods = [method for method in row.methods if not bench.quick or method in QUICK_METHODS]
    race = Race(
        lambda line: bench.say(f"{name}: {line}"),
        {method: Contestant(method, tile, row.single, bench, row.from_start) for method in methods},
    )
    try:
        for work in (Contestant.start, Contestant.begin, Contestant.calibrate):
            for method in list(race.contestants):
                race.attempt(method, work)
        for repetition in range(bench.repeats):
            for method in list(race.contestants):
                race.attempt(method, Contestant.measure)
            race.say(f"repetition {repetition + 1} of {bench.repeats}: {_latest(race.contestants)}")
    finally:
        for contestant in race.contestants.values():
            contestant.close()
    found: dict[str, Any] = {
        "what": f"{row.what} (--quick: fewer)" if bench.quick else row.what,
        "tile": tile,
        "single": row.single,
        "from_start": row.from_start,
        "methods": {method: _method(race, method) for method in methods},
        "ratios": _ratios(race.contestants),
    }
    if row.from_start is None:
        found["roofline"] = _roofline(tile, race.contestants.get(ENGINE), bench)
        if not bench.quick:
            found["profile"] = _profile(tile, bench)
    if row.estimated:
        found["whole_run"] = _whole_run(row.estimated, race.contestants)
    found["cpu_share"] = _cpu_share(race.contestants)
    wanted = () if bench.quick else row.targets  # set for the whole row
    found["targets"] = [_target(target.ratio, target.at_least, found) for target in wanted]
    return found


def summary(values: Sequence[float | None]) -> dict[str, float] | None:
    """Median, least and most of the values that exist; None if none does."""
    there = [value for value in values if value is not None]
    return {"median": statistics.median(there), "min": min(there), "max": max(there)} if there else None


def _latest(contestants: Mapping[str, Contestant]) -> str:
    rates = {method: one.rates("wall")[-1] for method, one in contestants.items()}
    return ", ".join(f"{method} {rate:.4g}" for method, rate in rates.items() if rate) + " cell·steps/s"


def _method(race: Race, method: str) -> dict[str, Any]:
    if method in race.reasons:
        return {"cell_steps_per_second": None, "reason": race.reasons[method]}
    one = race.contestants[method]
    return {
        "cell_steps_per_second": summary(one.rates("wall")),
        "cell_steps_per_cpu_second": summary(one.rates("cpu")),
        "cells": one.cells,
        "steps": one.steps,
        "set_up_seconds": one.set_up(),
        **one.memory,
    }


def _cpu_share(contestants: Mapping[str, Contestant]) -> float | None:
    """Of the wall's time, the part that single processes had a core: less than 1 where others wanted it."""
    alone = [one for method, one in contestants.items() if one.processes and method not in (JAX, WORKERS)]
    timings = [timing for one in alone for pair in one.timings for timing in pair]
    return sum(timing.cpu for timing in timings) / sum(timing.wall for timing in timings) if timings else None


def _ratios(contestants: Mapping[str, Contestant]) -> dict[str, Any]:
    """Of the engine's rates to the others', repetition by repetition, with the median by the processor's clock."""
    found = {}
    for ours in (ENGINE, WORKERS):
        for theirs in contestants:
            if ours in contestants and theirs not in (ENGINE, WORKERS):
                wall, cpu = (divided(contestants[ours], contestants[theirs], clock) for clock in ("wall", "cpu"))
                if wall:
                    found[f"{ours}/{theirs}"] = {**wall, "by_cpu_time": cpu and cpu["median"]}
    return found


def divided(ours: Contestant, theirs: Contestant, clock: str) -> dict[str, float] | None:
    """Ratio of the rates, repetition by repetition."""
    pairs = zip(ours.rates(clock), theirs.rates(clock), strict=True)
    return summary([a / b if a and b else None for a, b in pairs])


def _roofline(tile: Mapping[str, Any], engine: Contestant | None, bench: Bench) -> dict[str, Any] | None:
    """How far the engine's steps are from the machine's limit."""
    rate = summary(engine.rates("wall")) if engine else None
    if rate is None:
        return None
    from phasemap.train.bench.roofline import floor  # which takes the networks' widths from rooms that import torch
    from phasemap.train.cells import cells
    from phasemap.train.parameters import normalise

    stack = cells(normalise({**tile, "steps": 1}))
    least = floor(stack, bench.peaks, inputs=bench.data.inputs, classes=bench.data.classes)
    step = len(stack) / rate["median"]
    return {
        **least,
        "step_seconds": step,
        "fraction": least["floor_seconds"] / step,
        "gemm_fraction": least["gemm_seconds"] / step,
    }


def _profile(tile: Mapping[str, Any], bench: Bench) -> dict[str, Any]:
    """Where the time of the engine's steps goes (``profile.shares``), or the ``reason`` why that is not known."""
    process = MethodProcess(ENGINE, bench.device)
    try:
        process.reply()
        process.ask(profile=tile, inputs=bench.data.inputs, classes=bench.data.classes)
        return process.reply()
    except MethodError as error:
        return {"shares": None, "reason": str(error)}
    finally:
        process.close()


def _whole_run(steps: int, contestants: Mapping[str, Contestant]) -> dict[str, Any] | None:
    """Seconds per cell of a whole run, estimated; the engine is charged with one start of a process, too."""
    if not {AGENT, LIGHTNING, ENGINE} <= contestants.keys():
        return None
    agent, lightning, engine = (contestants[method] for method in (AGENT, LIGHTNING, ENGINE))
    rates = [summary(one.rates("wall")) for one in (lightning, engine)]
    if not rates[0] or not rates[1]:
        return None
    start = statistics.median(short.wall for short, _ in agent.timings)
    theirs = start + (steps - agent.short) / rates[0]["median"]
    ours = (start + (engine.set_up() or 0.0)) / engine.cells + steps / rates[1]["median"]
    return {"steps": steps, "agent_seconds_per_cell": theirs, "engine_seconds_per_cell": ours, "ratio": theirs / ours}


def _target(ratio: str, at_least: float, found: Mapping[str, Any]) -> dict[str, Any]:
    """A target beside what was measured; null where nothing was."""
    if ratio == GEMM_FRACTION:
        measured = found["roofline"] and found["roofline"]["gemm_fraction"]
    elif ratio.startswith("whole "):
        measured = found["whole_run"] and found["whole_run"]["ratio"]
    else:
        measured = found["ratios"].get(ratio, {}).get("median")
    reached = None if measured is None else measured >= at_least
    return {"ratio": ratio, "at_least": at_least, "measured": measured, "reached": reached}
