"""A process with the libraries loaded, which runs command lines in forks of itself: `attack` talks to it.

It reads one JSON object a line, ``{arguments, folder, environment, stdin, out, err, patience}``, and answers with one,
``{code, seconds, peak}``.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

LIBRARIES = (
    "numpy",
    "scipy.special",
    "scipy.stats",
    "torch",
    "xarray",
    "pandas",
    "matplotlib.figure",
    "sklearn.datasets",
)
ROOM_FOR_MORE = 4 * 1024**3
"""Bytes of address space that a command may take beyond what is there: an attack must not take the machine along."""
TICK = 0.005


def pages(field: int) -> int:
    """Bytes of this process: 0 for its address space, 1 for what is resident."""
    return int(Path("/proc/self/statm").read_text().split()[field]) * resource.getpagesize()


def child(request: dict[str, Any]) -> None:
    """The command, in a fork: never returns."""
    os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for target, name, flags in (
        (0, request["stdin"], os.O_RDONLY),
        (1, request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        os.dup2(os.open(name, flags, 0o600), target)
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = os.fdopen(0, encoding=encoding, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding=encoding, closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    most = pages(0) + ROOM_FOR_MORE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    sys.argv = ["phasemap", *request["arguments"]]
    code = 1
    try:
        importlib.import_module("phasemap.command_line").main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """How the command ended; one that does not end within its patience is killed, and its code is -9."""
    before = pages(1)
    pid = os.fork()
    if pid == 0:
        child(request)
    end = time.monotonic() + request["patience"]
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            break
        time.sleep(TICK)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": usage.ru_utime + usage.ru_stime,
        "peak": max(0, usage.ru_maxrss * 1024 - before),
    }


def main() -> None:
    for library in LIBRARIES:
        importlib.import_module(library)
    importlib.import_module("phasemap.command_line").assembled()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
