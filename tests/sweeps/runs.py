"""Runs of made-up experiments, in this process or in one of their own that a test may kill."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution.run import run_experiment
from phasemap.train.machine.processes import session_members
from tests import ROOT
from tests.sweeps.fake_backend import NAME


def write_experiment(path: Path, tiles: int, **parameters: Any) -> Path:
    """An experiment of ``tiles`` tiles (their width tells them apart) of four cells each."""
    widths = ", ".join(str(10 + tile) for tile in range(tiles))
    lines = [f"  {name}: {{value: {value}}}" for name, value in parameters.items()]
    path.write_text(
        "method: grid\nparameters:\n  x_axis: {value: width}\n  depth: {value: [5, 95]}\n  seed: {value: [0, 1]}\n"
        f"  lr: {{value: 0.1}}\n  steps: {{value: 10}}\n  width: {{values: [{widths}]}}\n" + "\n".join(lines)
    )
    return path


def run_fake(experiment: Path | str, out: Path, *, workers: int = 2, **options: Any) -> int:
    """`phasemap run` with the fake trainer, in this process."""
    given = {"preset": "paper", "trainer": NAME, "report": False, "device_list": "cpu", **options}
    return run_experiment(str(experiment), out=out, workers=workers, **given)


def start_fake(
    experiment: Path | str,
    out: Path,
    *,
    workers: int = 2,
    env: dict[str, str] | None = None,
    stderr: int = subprocess.PIPE,
    executor: str = "local",
) -> subprocess.Popen[str]:
    """The same in a process group of its own."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path\n"
        "from tests.sweeps.runs import run_fake\n"
        f"sys.exit(run_fake({str(experiment)!r}, Path({str(out)!r}), workers={workers}, executor={executor!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **(env or {})},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def exported(out: Path) -> str:
    """What `phasemap export` says of the folder."""
    from phasemap.sweeps.commands.export import export

    file = out.parent / f"{out.name}.csv"
    export([str(out)], format="csv", out=file)
    return file.read_text()


def trainings(log: Path) -> tuple[Counter[str], Counter[str]]:
    """(how often each tile was started, how often it was finished), from the file that FAKE_LOG names."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return Counter(k for w, k in lines if w == "start"), Counter(k for w, k in lines if w == "end")


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Until it holds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def session_alive(session: int) -> list[int]:
    """Processes of the session that live."""
    return [member.pid for member in session_members(session)]
