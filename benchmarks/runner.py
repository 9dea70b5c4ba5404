"""What the harness adds to training: 5,000 tiles that train nothing, their status, and their report.

``python benchmarks/runner.py [--tiles 5000] [--out FILE.json]``. The runner and its workers in seconds of processor
time per tile, without the workers' start; whole commands in seconds of processor time and of the clock, which says
something on an idle machine only (see the load).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.sweeps.runs import run_fake

WORKERS = 2
COLUMNS = 50


def write_experiment(path: Path, tiles: int) -> Path:
    """A map over batch size and gamma, a tile for each square with four seeds in it."""
    rows = max(tiles // COLUMNS, 1)
    gammas = ", ".join(f"{1 + row / rows:.4f}" for row in range(rows))
    sizes = ", ".join(str(8 + column) for column in range(min(tiles, COLUMNS)))
    path.write_text(
        "method: grid\nparameters:\n  x_axis: {value: batch_size}\n  y_axis: {value: gamma}\n  overlay: {value: none}\n"
        f"  depth: {{value: 5}}\n  seed: {{value: [0, 1, 2, 3]}}\n  lr: {{value: 0.1}}\n  steps: {{value: 10}}\n"
        f"  batch_size: {{values: [{sizes}]}}\n  gamma: {{values: [{gammas}]}}\n"
    )
    return path


def children() -> float:
    """Seconds of processor time of the processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def train(folder: Path, tiles: int) -> tuple[float, float, float]:
    """Seconds for `phasemap run` with so many tiles: of the runner, of its workers, and by the clock."""
    experiment = write_experiment(folder / f"tiles{tiles}.yaml", tiles)
    before = time.process_time(), children(), time.monotonic()
    assert run_fake(experiment, folder / str(tiles), workers=WORKERS, quiet=True) == 0
    after = time.process_time(), children(), time.monotonic()
    runner, workers, clock = (b - a for a, b in zip(before, after, strict=True))
    return runner, workers, clock


def command(*arguments: str) -> dict[str, float]:
    """Seconds for a command of its own: of the processor, and by the clock."""
    before = children(), time.monotonic()
    subprocess.run([sys.executable, "-m", "phasemap", *arguments], check=True, stdout=subprocess.DEVNULL)
    return {"processor": children() - before[0], "clock": time.monotonic() - before[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the numbers, the machine and versions to this JSON file")
    parser.add_argument("--tiles", type=int, default=5000)
    tiles, out = (arguments := parser.parse_args()).tiles, arguments.out
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        few = train(folder, WORKERS)
        many = train(folder, tiles)
        runner, workers, clock = ((b - a) / (tiles - WORKERS) for a, b in zip(few, many, strict=True))
        report = str(folder / "report.html")
        result = {
            "tiles": tiles,
            "seconds per tile": {"runner": runner, "workers": workers, "clock": clock},
            "status": command("status", str(folder / str(tiles))),
            "export": command("export", str(folder / str(tiles)), "--out", str(folder / "cells.csv")),
            "report": command("report", str(folder / str(tiles)), "--out", report),
            "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
            "load": os.getloadavg()[0],
            "versions": {"python": platform.python_version()},
        }
    print(json.dumps(result, indent=2))
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
