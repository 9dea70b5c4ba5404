"""Processes: their members, their end, and what they see of this machine."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
from contextlib import suppress
from pathlib import Path


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Has the kernel send this process a signal when its parent dies (Linux only)."""
    if sys.platform == "linux":
        parent_death_signal = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(parent_death_signal, number)


def session_members(session: int) -> list[int]:
    """The processes of a session, by Linux's /proc; elsewhere only its leader."""
    members = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # pid (name) state parent group session …; the name may hold spaces and brackets
            if int(entry.read_text().rpartition(")")[2].split()[3]) == session:
                members.append(int(entry.parent.name))
    return members if Path("/proc/self/stat").exists() else [session]
