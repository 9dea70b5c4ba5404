"""Processes: how another Python of ours is started, and how processes end together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys

import psutil

from phasemap.theory.errors import InputError
from phasemap.train.compat import machine_warnings

LIBRARIES = 2**30
"""Bytes of address space that Python with PyTorch takes at least."""


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that calls ``main(arguments)`` of one of our modules in a Python of its own; it dies with this one.

    The other Python searches for modules where this one does. ``python -m`` would put the current folder first, where
    the user may have a ``train.py`` of their own. It, too, hears no warning of the machine.
    """
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import die_with_parent; "
        f"die_with_parent(parent={os.getpid()}); from {machine_warnings.__name__} import ignore; ignore(); "
        f"from {module} import main; main(sys.argv[1:])"
    )
    return [sys.executable, "-c", code, *arguments]


def check_limits() -> None:
    """Raises InputError where PyTorch cannot even be loaded: its libraries end the process then, each in its words."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 <= limit < LIBRARIES:
        raise InputError(
            f"ulimit -v {limit // 1024}: Python with PyTorch takes more; expected at least {LIBRARIES // 1024}"
        )


def die_with_parent(number: int = signal.SIGKILL, *, parent: int | None = None) -> None:
    """Has the kernel send this process a signal when its parent dies (Linux only).

    Args:
        parent: who that is to be; if it is not any more, the signal comes at once.
    """
    if sys.platform == "linux":
        parent_death_signal = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(parent_death_signal, number)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), number)


def session_members(session: int) -> list[psutil.Process]:
    """The processes of a session, ended ones that nobody has waited for included."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) == session:
                members.append(process)
    return members


def kill_session(session: int) -> None:
    """Kills every process of a session, whoever its parent is by now."""
    for process in session_members(session):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
