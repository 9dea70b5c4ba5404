"""How long the commands take to begin: ``--help``, ``list``, and a run until its first training step."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from phasemap.train.bench.measure import Say, summary
from phasemap.train.machine.processes import python_command

HELP, LIST, FIRST_STEP = "phasemap --help", "phasemap list", "phasemap run bn-fig3a --preset smoke"
AT_MOST = {HELP: 0.3, LIST: 0.5, FIRST_STEP: 8.0}
PATIENCE = 300.0


def startup(repeats: int, say: Say) -> list[dict[str, Any]]:
    """Of each command: what is timed, seconds from its start, and how many they should be at most."""
    found = []
    for title, at_most in AT_MOST.items():
        words = title.split()[1:]
        seconds = [_first_step(words) if title == FIRST_STEP else _whole(words) for _ in range(repeats)]
        measured = summary(seconds)
        assert measured
        until = "the first result of the same run with one step a network" if title == FIRST_STEP else "its end"
        reached = measured["median"] <= at_most
        found.append({"command": title, "until": until, "seconds": measured, "at_most": at_most, "reached": reached})
        say(f"startup: {title}: {measured['median']:.2f} s until {until}")
    return found


def _command(words: list[str]) -> list[str]:
    return python_command("phasemap.command_line", *words)


def _whole(words: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(_command(words), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _first_step(words: list[str]) -> float:
    """Until the first result file is there of the same command with ``--set steps=1``: a little later than the first
    training step, never earlier, and nothing in the run had to be changed to see it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        started = time.perf_counter()
        run = subprocess.Popen(
            [*_command(words), "--set", "steps=1", "--out", folder + "/run", "--quiet"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not any((Path(folder) / "run" / "tiles").glob("*.json")):
                if run.poll() is not None or time.perf_counter() - started > PATIENCE:
                    raise RuntimeError(f"phasemap {' '.join(words)} ended, or waited, without a result")
                time.sleep(0.005)
            return time.perf_counter() - started
        finally:
            run.terminate()  # the rest of the run is of no interest
            run.wait()
