"""The command line in processes of their own, as W&B keeps global state."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def wait_for(condition: Callable[[], Any], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def call(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of `phasemap`, in a process of its own: wandb keeps global state."""
    done = subprocess.run(
        ["phasemap", *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    return done.returncode, done.stdout, done.stderr


def register(file: Path) -> str:
    code, out, err = call("sweep", str(file))
    assert code == 0, err
    return out.splitlines()[-1]
