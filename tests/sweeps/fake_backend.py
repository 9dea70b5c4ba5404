"""A trainer of tiles that trains nothing: its results follow from the parameters alone, and it can be told to fail.

``FAKE_*`` environment variables tell worker processes what to do: FAKE_SECONDS per tile; FAKE_SAVES, to save and stop
when asked to; FAKE_LOG, a file to which every training appends ``start KEY`` and ``end KEY``; FAKE_TROUBLE, a file of
lines ``WIDTH WHAT`` (raise, input, kill, stuck, full), each obeyed whenever a tile of that width is trained, or once if
WHAT begins with ``once-``; with ``told-`` before the rest, it first prints what no log should tell.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution.trainer import Survey, data_name
from phasemap.theory.errors import InputError
from phasemap.train.cells import cells
from phasemap.train.data.catalogue import DataSize


def number(*parts: Any) -> float:
    """A number in [0, 1) that depends on nothing but the parts."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 2**32


def _width(point: Mapping[str, Any]) -> Any:
    """Of a residual network its schedule."""
    return point.get("width", point.get("widths"))


def fake_cell(point: Mapping[str, Any]) -> dict[str, Any]:
    """A result of one cell: diverged where it is deep, else a made-up accuracy."""
    diverged = point["depth"] > 90
    score = None if diverged else number(point["depth"], point["batch_size"], point["seed"], _width(point))
    names = (
        "test_accuracy",
        "test_accuracy_batch",
        "train_accuracy",
        "train_accuracy_batch",
        "test_loss",
        "train_loss",
    )
    return {
        "parameters": dict(point),
        "seed": point["seed"],
        "outcome": "diverged" if diverged else "finished",
        "diverged_at": 3 if diverged else None,
        **dict.fromkeys(names, score),
        "sum_lr": 6.0,
        "steps": 10,
        "history": {"step": [5, 10], "loss": [2.0, 1.0]},
    }


def fake_result(tile: dict[str, Any], semantics: int = 1) -> dict[str, Any]:
    """The result of a tile, after the schema of docs/architecture.md."""
    data = {"name": "fake", "digest": "d1g", "train_size": 1000, "test_size": 100, "chance": 0.1}
    content = {
        "semantics": semantics,
        "parameters": tile,
        "dtype": "float32",
        "data": data,
        "cells": [fake_cell(point) for point in cells(tile)],
    }
    provenance = {"versions": {}, "device": "cpu", "commit": None, "wall_time": 0.1, "created": "2020-01-01T00:00:00"}
    return {"content": content, "provenance": provenance}


class FakeTrainer:
    """See the module."""

    semantics = 1

    def survey(self, tiles: Sequence[Mapping[str, Any]], data_dir: Path | None) -> Survey:
        for tile in tiles:
            if tile["batch_size"] > 1000:
                raise InputError(
                    f"batch_size: {tile['batch_size']} is larger than the training set (fake: 1000 samples)"
                )
        return {data_name(tile): ("d1g", DataSize(1000, 100, 64, 10)) for tile in tiles}

    def dtype(self, tile: Mapping[str, Any], device: str) -> str:
        return "float32"

    def load(self) -> None:
        pass

    def prepare(self, device: str) -> bool:
        return False

    def train(
        self,
        tile: dict[str, Any],
        *,
        data_dir: Path | None,
        device: str,
        progress: Callable[[dict[str, Any]], None],
        checkpoint: Path | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any] | None:
        name = f"{tile['batch_size']}-{_width(tile)}"
        self._note(f"start {name}")
        self._trouble(_width(tile))
        progress({"cells": 1, "steps": 10, "steps_done": 5})
        end = time.monotonic() + float(os.environ.get("FAKE_SECONDS", "0"))
        while time.monotonic() < end:
            if "FAKE_SAVES" in os.environ and checkpoint and stopping():
                checkpoint.parent.mkdir(parents=True, exist_ok=True)
                checkpoint.write_text("saved")
                return None
            time.sleep(0.01)
        if checkpoint and checkpoint.is_file():
            self._note(f"resumed {name}")
        self._note(f"end {name}")
        return fake_result(tile)

    def _note(self, line: str) -> None:
        if log := os.environ.get("FAKE_LOG"):
            with Path(log).open("a") as file:
                file.write(f"{line}\n")  # shorter than a pipe's buffer: appended whole

    def _trouble(self, width: Any) -> None:
        file = Path(os.environ.get("FAKE_TROUBLE", "/nonexistent"))
        for line in file.read_text().splitlines() if file.is_file() else []:
            at, what = line.split()
            if at != str(width):
                continue
            if what.startswith("once-"):
                mark = file.with_name(f"{file.name}.{width}.done")
                if mark.exists():
                    continue
                mark.touch()
            what = what.removeprefix("once-")
            if what.startswith("told-"):
                print(f"in {Path.home()}/x, with {os.environ.get('MY_TOKEN')}", flush=True)
            match what.removeprefix("told-"):
                case "raise":
                    print("a line for the log")
                    raise RuntimeError(f"made to fail in {Path.home()}")
                case "input":
                    raise InputError(f"width: {width}: not to be had")
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "stuck":
                    time.sleep(1000)
                case "full":
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAKE = FakeTrainer()
NAME = "tests.sweeps.fake_backend:FAKE"
