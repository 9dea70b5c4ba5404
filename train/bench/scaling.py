"""How the engine's rate, and its lead over the plain loop, move with members, depth, width, batch size and workers."""

from __future__ import annotations

from typing import Any

from phasemap.train.bench.cases import ENGINE, PLAIN, SERIES, WORKERS_TILE, series_tile
from phasemap.train.bench.measure import Bench, Contestant, divided, summary
from phasemap.train.bench.process import MethodProcess
from phasemap.train.machine.devices import cores

MOST_WORKERS = 8


def scaling(bench: Bench) -> dict[str, list[dict[str, Any]]]:
    """For each series its points: ``value``, the rates of ``plain`` and ``engine``, and their ratio; over workers, the
    rate of all workers together and its ratio to one worker's."""
    processes = {method: [MethodProcess(method, bench.device)] for method in (PLAIN, ENGINE)}
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        for process in (one for many in processes.values() for one in many):
            process.reply()
        for name, values in SERIES.items():
            found[name] = []
            for value in values[:2] if bench.quick else values:
                point = _point(series_tile(name, value), processes, bench)
                found[name].append({"value": value, **point})
                rates = ", ".join(f"{method} {point[method]['median']:.4g}" for method in processes if point[method])
                bench.say(f"scaling: {name} {value}: {rates} cell·steps/s")
    finally:
        for process in (one for many in processes.values() for one in many):
            process.close()
    return {**found, "workers": _workers(bench)}


def _point(tile: dict[str, Any], processes: dict[str, list[MethodProcess]], bench: Bench) -> dict[str, Any]:
    contestants = {method: Contestant(method, tile, {"seed": [0]}, bench) for method in processes}
    for method, one in contestants.items():
        one.processes = processes[method]
        one.train(one.short)
        one.calibrate()
    for _ in range(bench.repeats):
        for one in contestants.values():
            one.measure()
    rates = {method: summary(one.rates("wall")) for method, one in contestants.items()}
    return {**rates, "engine/plain": divided(contestants[ENGINE], contestants[PLAIN], "wall")}


def _workers(bench: Bench) -> list[dict[str, Any]]:
    """Each worker trains a tile of its own."""
    counts = [count for count in (1, 2, 4, 8) if count <= min(cores(), MOST_WORKERS)]
    processes = [MethodProcess(ENGINE, bench.device) for _ in range(max(counts))]
    contestants = []
    try:
        for process in processes:
            process.reply()
        for count in counts:
            one = Contestant(ENGINE, WORKERS_TILE, {}, bench)
            one.tiles, one.cells, one.processes = one.tiles * count, one.cells * count, processes[:count]
            one.train(one.short)
            one.calibrate()
            contestants.append(one)
        for _ in range(bench.repeats):
            for one in contestants:
                one.measure()
    finally:
        for process in processes:
            process.close()
    points: list[dict[str, Any]] = [
        {
            "value": count,
            ENGINE: summary(one.rates("wall")),
            "to one worker": divided(one, contestants[0], "wall"),
        }
        for count, one in zip(counts, contestants, strict=True)
    ]
    for point in points:
        bench.say(f"scaling: workers {point['value']}: {(point[ENGINE] or {}).get('median', 0):.4g} cell·steps/s")
    return points
