"""What large experiments cost: `run --check`, `status` and `report` of thousands of tiles and up to 100,000 cells.

``python benchmarks/scale.py [--before CHECKOUT] [--out FILE.json] [--cases NAME…]``. The folders are synthetic: planned
as a run would, each result written by the store's own writer, with curves as long as training writes them. Every
command is a process of its own, three times; what is told is the median. Seconds of processor time count; those by the
clock say something on an idle machine only (see the load). ``--before`` names another checkout, which is measured on
the same folders.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.execution.trainer import TRAIN_ROOM
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.result import write
from phasemap.train.cells import Cell, cells
from phasemap.train.result_types import CellResult

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 3
HISTORY = 20
"""Points of a loss curve, as many as training writes at most."""


@dataclass(frozen=True)
class Case:
    """A map of ``columns`` batch sizes and ``rows`` depths with so many seeds.

    Attributes:
        by_square: a tile for each square of the map; else one for each column.
        commands: that are measured.
    """

    columns: int
    rows: int
    seeds: int
    by_square: bool
    commands: tuple[str, ...]

    @property
    def cells(self) -> int:
        """Networks in all."""
        return self.columns * self.rows * self.seeds

    def write_experiment(self, path: Path) -> Path:
        """The experiment, as a user would write it."""
        axis = "values" if self.by_square else "value"
        depths = ", ".join(str(2 + row) for row in range(self.rows))
        sizes = ", ".join(str(4 + column) for column in range(self.columns))
        seeds = ", ".join(str(seed) for seed in range(self.seeds))
        path.write_text(
            "method: grid\nparameters:\n  x_axis: {value: batch_size}\n  y_axis: {value: depth}\n  lr: {value: 0.1}\n"
            f"  steps: {{value: 600}}\n  seed: {{value: [{seeds}]}}\n  depth: {{{axis}: [{depths}]}}\n"
            f"  batch_size: {{values: [{sizes}]}}\n"
        )
        return path


CASES = {
    "5,000 tiles": Case(50, 100, 4, True, ("check", "status", "report")),
    "10,000 cells": Case(100, 100, 1, False, ("report",)),
    "100,000 cells": Case(100, 250, 4, False, ("check", "status", "report")),
}


def synthetic_cell(point: Cell, rows: int) -> CellResult:
    """A network that trains up to a frontier, as a trainer would write it."""
    depth, seed = float(point["depth"]), int(point["seed"])
    wobble = math.sin(12.9898 * depth + 78.233 * seed + 37.719 * point["batch_size"])
    accuracy = 0.1 + 0.8 / (1 + math.exp((depth - 0.6 * rows) / (0.05 * rows))) + 0.01 * wobble
    losses = [2.3 - (2.2 * accuracy - 0.1 * wobble) * (k + 1) / HISTORY for k in range(HISTORY)]
    return {
        "parameters": dict(point),
        "seed": seed,
        "outcome": "finished",
        "diverged_at": None,
        "test_accuracy": accuracy,
        "test_accuracy_batch": accuracy - 0.01,
        "train_accuracy": accuracy + 0.02,
        "train_accuracy_batch": accuracy + 0.01,
        "test_loss": losses[-1] + 0.1,
        "train_loss": losses[-1],
        "sum_lr": 60.0,
        "steps": 600,
        "exceeds_float32": False,
        "history": {"step": [600 * (k + 1) // HISTORY for k in range(HISTORY)], "loss": [*losses]},
    }


def write_folder(case: Case, experiment_file: Path, out: Path) -> None:
    """The folder that a run of the experiment would leave."""
    experiment = load(str(experiment_file))
    planned = plan(experiment, at_work=["cpu"], trainer=TRAIN_ROOM)
    folder = Folder(out)
    folder.claim(experiment, planned.manifest)
    digest = next(iter(planned.manifest.data.values()))
    data = {"name": "digits", "digest": digest, "train_size": 1437, "test_size": 360, "chance": 0.1}
    for tile, dtype in zip(planned.tiles, planned.manifest.dtypes, strict=True):
        content: Any = {
            "semantics": TRAIN_ROOM.semantics,
            "parameters": tile.parameters,
            "dtype": dtype,
            "data": data | {"p0": 1.0, "gamma0": 0.3},
            "cells": [synthetic_cell(point, case.rows) for point in cells(tile.parameters)],
        }
        provenance = {"versions": {"python": "3.11.7"}, "device": "cpu", "commit": None, "wall_time": 1.0}
        write(folder.result_file(tile.key), {"content": content, "provenance": provenance})


@dataclass(frozen=True)
class Cost:
    """Of one process: seconds of processor time and by the clock, largest memory and the size of its page, in MB."""

    processor: float
    clock: float
    memory: float
    page: float | None = None


def measured(checkout: Path, arguments: list[str], page: Path | None) -> Cost:
    """The medians over ``REPEATS`` processes of ``phasemap`` from a checkout."""
    found = []
    for _ in range(REPEATS):
        began = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        process = subprocess.Popen(
            [sys.executable, "-m", "phasemap", *arguments], env=environment, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, arguments
        found.append((usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1024))
    processor, clock, memory = (round(statistics.median(one), 2) for one in zip(*found, strict=True))
    return Cost(processor, clock, memory, round(page.stat().st_size / 1e6, 2) if page else None)


def measure(case: Case, folder: Path, checkouts: dict[str, Path]) -> dict[str, dict[str, Cost]]:
    """The cost of each command, by checkout."""
    experiment, out, page = (
        case.write_experiment(folder / "scale.yaml"),
        folder / "out",
        folder / "pages" / "report.html",
    )
    write_folder(case, experiment, out)
    commands = {
        "check": ["run", str(experiment), "--check"],
        "status": ["status", str(out)],
        "report": ["report", str(out), "--out", str(page)],
    }
    return {
        name: {
            when: measured(checkout, commands[name], page if name == "report" else None)
            for when, checkout in checkouts.items()
        }
        for name in case.commands
    }


def table(cases: dict[str, Any]) -> str:
    """Before and after side by side, as Markdown."""
    lines = ["| map | command | measured | CPU s | memory, MB | page, MB |", "|---|---|---|---|---|---|"]
    for name, case in cases.items():
        for command, by_time in case["commands"].items():
            for when, cost in by_time.items():
                page = "" if cost["page"] is None else f"{cost['page']:.1f}"
                lines.append(
                    f"| {name} | {command} | {when} | {cost['processor']:.1f} | {cost['memory']:.0f} | {page} |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="another checkout, measured too")
    parser.add_argument("--out", type=Path, help="also write the numbers, the machine and versions to this JSON file")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    arguments = parser.parse_args()
    checkouts = {"before": arguments.before} if arguments.before else {}
    checkouts["after"] = ROOT
    found: dict[str, Any] = {}
    for name in arguments.cases:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as temporary:
            costs = measure(case, Path(temporary), checkouts)
        found[name] = {
            "tiles": case.columns * (case.rows if case.by_square else 1),
            "cells": case.cells,
            "squares": case.columns * case.rows,
            "commands": {command: {when: asdict(cost) for when, cost in one.items()} for command, one in costs.items()},
        }
    result = {
        "cases": found,
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load": os.getloadavg()[0],
        "versions": {"python": platform.python_version()},
    }
    print(table(found))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
