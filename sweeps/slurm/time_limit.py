"""The time limit of a Slurm job: what runs there stops and saves before it, whoever sends a signal, and to whom."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

MARGIN = 60.0
"""Seconds before the limit: a checkpoint of the paper's scale was written in at most 21."""
PATIENCE = 20.0
"""Seconds in which Slurm has to answer."""
_LEFT = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")


@contextmanager
def stopping_before_the_limit(environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Within: this process gets SIGTERM a minute before the limit of the Slurm job that it is part of, if it is of one.

    Slurm signals job steps (``--signal``), and a job script that starts phasemap without ``srun`` passes none on.
    """
    environment = os.environ if environment is None else environment
    left = seconds_left(environment)
    if left is None:
        yield
        return
    if "SLURM_STEP_ID" not in environment:
        print(
            "phasemap: note: started without srun, so Slurm's signals do not reach it; "
            f"by itself it stops {MARGIN:.0f} s before the job's time limit",
            file=sys.stderr,
        )

    def stop() -> None:
        print("phasemap: the time limit of the Slurm job is near: stopping", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(max(left - MARGIN, 0.0), stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def seconds_left(environment: Mapping[str, str]) -> float | None:
    """Until the limit of the job that the environment names; None without a job, a limit, or an answer."""
    if "SLURM_JOB_ID" not in environment:
        return None
    ends = environment.get("SLURM_JOB_END_TIME", "")  # newer versions say it
    if ends.isdecimal():
        return float(ends) - time.time()
    try:
        asked = subprocess.run(
            ["squeue", "--noheader", f"--jobs={environment['SLURM_JOB_ID']}", "--format=%L"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=dict(environment),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return in_seconds(asked.stdout.strip())


def in_seconds(left: str) -> float | None:
    """Of Slurm's ``D-HH:MM:SS``, ``HH:MM:SS`` or ``MM:SS``; None of ``UNLIMITED`` and the like."""
    found = _LEFT.fullmatch(left)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24.0 + hours) * 60 + minutes) * 60 + seconds
