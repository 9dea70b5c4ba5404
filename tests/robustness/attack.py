"""One attack: a command line with bad input, run in a fork of a process that has the libraries loaded already.

What holds of every command, whatever is done to it, is in `complaints`.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests import ROOT

SECONDS, PEAK = 10.0, 1024**3
"""What no attack may cost: CPU seconds, and bytes of memory beyond those of the loaded libraries."""
PATIENCE = 90.0
"""Wall seconds after which an attack is killed: ten CPU seconds on a busy machine."""
YAML = """method: grid
parameters:
  batch_size: {values: [8, 16]}
  depth: {value: [2, 4]}
  width: {value: 16}
  lr: {value: 0.02}
  steps: {value: 10}
"""
"""An experiment of seconds, for attacks that need a sound one."""
LIBRARY_WARNING = re.compile(r"^\S*:\d+: \w*Warning: |^\w*Warning: ", re.MULTILINE)
SAYS_WHY = re.compile(r"^phasemap[\w -]*: error: \S", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: exit status; negative: the signal that killed it. seconds: CPU time. peak: bytes of memory beyond those
            of the loaded libraries.
    """

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    peak: int


@cache
def _preloaded() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.robustness.preloaded"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        start_new_session=True,
    )
    atexit.register(process.kill)
    return process


def attack(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None, stdin: Path | None = None
) -> Outcome:
    """Runs ``phasemap ARGUMENTS`` in ``folder``.

    Args:
        environment: variables beside those of the tests. stdin: the file that it reads; nothing if not given.
    """
    with tempfile.TemporaryDirectory(prefix="phasemap-attack-") as name:
        out, err = Path(name, "out"), Path(name, "err")
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            "stdin": str(stdin or os.devnull),
            "out": str(out),
            "err": str(err),
            "patience": PATIENCE,
        }
        process = _preloaded()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        ended = json.loads(process.stdout.readline())
        texts = [file.read_text(encoding="utf-8", errors="backslashreplace") for file in (out, err)]
    return Outcome(arguments, ended["code"], *texts, ended["seconds"], ended["peak"])


def complaints(outcome: Outcome) -> list[str]:
    """What holds of every command and does not hold of this one; empty if all does."""
    both = outcome.out + outcome.err
    found = {
        f"exit status {outcome.code}": outcome.code not in (0, 1, 2),
        "a traceback": "Traceback (most recent call last)" in both,
        "a warning of a library": bool(LIBRARY_WARNING.search(outcome.err)),
        "exit status 2 without a reason": outcome.code == 2 and not SAYS_WHY.search(outcome.err),
        f"{outcome.seconds:.1f} CPU seconds": outcome.seconds > SECONDS,
        f"{outcome.peak / 1024**2:.0f} MiB": outcome.peak > PEAK,
    }
    what = [name for name, holds in found.items() if holds]
    shown = " ".join(argument if len(argument) < 200 else argument[:200] + "…" for argument in outcome.arguments)
    return [f"{shown!r}: {', '.join(what)}\n{outcome.err[-2000:]}"] if what else []
