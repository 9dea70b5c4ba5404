"""``phasemap bench``: runs what was asked for, writes JSON, prints the table."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.theory.ranges import Range, brief
from phasemap.train.bench import table
from phasemap.train.bench.cases import ENGINE, GRID, METHODS, ROWS, SCALING, STARTUP, rows_of
from phasemap.train.bench.grid import grid
from phasemap.train.bench.measure import Bench, compare
from phasemap.train.bench.measured_on import machine, software
from phasemap.train.bench.process import MethodProcess
from phasemap.train.bench.scaling import scaling
from phasemap.train.bench.startup import startup
from phasemap.train.data.catalogue import DATA_SETS
from phasemap.train.machine.devices import parse
from phasemap.train.provenance import commit

SCHEMA = 1
REPEATS, QUICK_REPEATS = 5, 2
REPEATED = Range(1, 1000)
SECONDS, GPU_SECONDS, QUICK_SECONDS, SCALING_SECONDS, GPU_SCALING_SECONDS = 2.4, 6.0, 0.4, 0.3, 1.0
"""That a difference of two trainings should take. A GPU's tiles are large, and so is what setting one up varies by."""
GPU_SAMPLES = 6000, 128
"""Training and test samples of a GPU's tiles: times do not depend on how many there are, loading and evaluation do."""
IDLE = 0.97
"""Share of a core that a process gets on an idle machine, at least."""


def run(
    *,
    rows: str | None = None,
    device: str | None = None,
    repeats: int | None = None,
    out: Path | None = None,
    quick: bool = False,
) -> str:
    """Runs the bench; the table and what became of the targets, as text.

    Raises:
        InputError: unknown rows, no such device, fewer than one repetition.
    """
    where = parse(device)[0]
    parts = rows_of(rows, gpu=where != "cpu", quick=quick)
    if repeats is not None and not REPEATED.holds(repeats):
        raise InputError(f"--repeats {brief(repeats)}: expected {REPEATED.reason(repeats)}")
    if out and not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}")
    results: dict[str, Any] = {}
    for results in measure(parts, where, repeats or (QUICK_REPEATS if quick else REPEATS), quick):
        if out:  # after every part, so that an interrupt loses one
            out.write_text(json.dumps(_rounded(results), indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    shown = [table.block(results)] if any(row.get("ratios") for row in results["rows"].values()) else []
    return "\n".join([*shown, *[""] * len(shown), *table.targets(results)])


def show(path: Path | None, into: Path | None) -> str:
    """The table of a file of results; ``into``: also put between the marks of this page.

    Raises:
        InputError: no such file, no results in it, or no marks in the page.
    """
    if path is None:
        raise InputError(f"--into {into}: goes with --table FILE.json")
    block = table.block(table.read(path))
    if into:
        try:
            text = into.read_text()
        except OSError as error:
            raise InputError(f"--into {into}: {error.strerror}") from None
        into.write_text(table.replace(text, block))
    return block


def measure(parts: list[str], device: str, repeats: int, quick: bool) -> Iterator[dict[str, Any]]:
    """The results (docs/bench.md) so far, after each of these parts."""
    started, gpu = time.monotonic(), device != "cpu"

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    with _data(gpu) as extra:
        peaks = _peaks(device)
        name = peaks.pop("gpu")
        say(f"one process: {peaks['gemm_flops_per_second']:.3g} FLOP/s, {peaks['copy_bytes_per_second']:.3g} B/s")
        bench = Bench(
            device=device,
            repeats=repeats,
            seconds=QUICK_SECONDS if quick else GPU_SECONDS if gpu else SECONDS,
            quick=quick,
            data=DATA_SETS["mnist" if gpu else "digits"].size,
            extra=extra,
            peaks=peaks,
            say=say,
        )
        results: dict[str, Any] = {
            "schema": SCHEMA,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "commit": commit(),
            "quick": quick,
            "repeats": repeats,
            "threads_per_process": None if gpu else 1,
            "machine": machine(name),
            "versions": software(),
            "methods": METHODS,
            "peaks": peaks,
            "rows": {} if gpu else _gpu_rows(),
        }
        for part in parts:
            if part == SCALING:
                seconds = GPU_SCALING_SECONDS if gpu else SCALING_SECONDS
                results[SCALING] = scaling(replace(bench, seconds=min(bench.seconds, seconds)))
            elif part == STARTUP:
                results[STARTUP] = startup(repeats, say)
            else:
                results["rows"][part] = (
                    grid(replace(bench, seconds=min(bench.seconds, SECONDS)))
                    if part == GRID
                    else compare(part, ROWS[part], bench)
                )
            yield {**results, "idle": None if gpu else _idle(results["rows"]), "seconds": time.monotonic() - started}


def _peaks(device: str) -> dict[str, Any]:
    process = MethodProcess(ENGINE, device)
    try:
        process.reply()
        process.ask(peaks=True)
        return process.reply()
    finally:
        process.close()


def _gpu_rows() -> dict[str, Any]:
    """What is not measured without a GPU, with its targets."""
    reason = "needs a GPU (--device 0)"
    return {name: {"what": row.what, "ratios": None, "reason": reason} for name, row in ROWS.items() if row.gpu} | {
        GRID: {"ratios": None, "reason": reason}
    }


def _idle(rows: Mapping[str, Any]) -> bool | None:
    """Whether the processes had their cores to themselves; None where no row can tell."""
    shares = [row["cpu_share"] for row in rows.values() if row.get("cpu_share") is not None]
    return min(shares) >= IDLE if shares else None


@contextlib.contextmanager
def _data(gpu: bool) -> Iterator[dict[str, Any]]:
    """What every tile's data are: the embedded ones, or for a GPU random ones of MNIST's shape in a temporary file
    (times do not depend on what the pictures show, either)."""
    if not gpu:
        yield {}
        return
    import numpy as np

    size, generator = DATA_SETS["mnist"].size, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.npz"
        arrays = {
            f"{letter}_{part}": value
            for part, count in zip(("train", "test"), GPU_SAMPLES, strict=True)
            for letter, value in (
                ("x", generator.standard_normal((count, size.inputs), dtype=np.float32)),
                ("y", generator.integers(0, size.classes, count)),
            )
        }
        np.savez(path, **arrays)  # type: ignore[arg-type]
        yield {"dataset": str(path)}


def _rounded(value: Any) -> Any:
    """Numbers to six digits: more would be noise."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.6g}") if isinstance(value, float) and math.isfinite(value) else value
