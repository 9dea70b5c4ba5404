"""The lock of a tile: a file that its worker holds by flock, so that the kernel takes it back when the worker dies.

Who only wants to know whether it is held takes no lock: the kernel lists those of this machine, and the file's time is
renewed by a holder on another one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from phasemap.theory.errors import InputError
from phasemap.train.whole_file import temporary_beside

RENEWED, STALE = 20.0, 120.0
"""Seconds after which a holder renews the file's time, and after which a file that nobody renewed is nobody's."""
KERNELS = Path("/proc/locks")


@contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Holds the lock at ``path``; gives False at once where another process has it.

    Raises:
        OSError: the file cannot be made, or its file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():  # to be written to is the folder's own file
        path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        released = threading.Event()
        renewing = threading.Thread(target=_renew, args=(path, released), daemon=True)
        with suppress(OSError):  # a full disk
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _machine().encode())
        with suppress(RuntimeError):  # no more threads
            renewing.start()
        try:
            yield True
        finally:
            released.set()
    finally:
        os.close(descriptor)  # and with it the lock


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at ``path``. Reads only."""
    try:
        found = path.stat()
        machine = path.read_text(encoding="utf-8", errors="replace") if found.st_size else ""
    except OSError:
        return False
    listed = _listed()
    if listed is not None and (found.st_ino in listed or (machine and machine == _machine())):
        return found.st_ino in listed
    return abs(time.time() - found.st_mtime) < STALE


def check(folder: Path) -> None:
    """Takes a lock in ``folder``, once. Raises InputError if its file system has none."""
    probe = temporary_beside(folder / "lock")
    try:
        with holding(probe):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: its file system has no locks (flock: {error.strerror}); give --out on another one"
        ) from None
    finally:
        probe.unlink(missing_ok=True)


def _renew(path: Path, released: threading.Event) -> None:
    while not released.wait(RENEWED):
        with suppress(OSError):
            os.utime(path)


def _listed() -> set[int] | None:
    """Inodes of the files that processes of this machine hold by flock; None where the kernel does not say."""
    try:
        lines = KERNELS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return {int(words[5].rpartition(":")[2]) for words in map(str.split, lines) if words[1:2] == ["FLOCK"]}


@cache
def _machine() -> str:
    """Tells machines, their restarts and their containers apart, and says nothing of them; "" where that is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
        return hashlib.sha256(f"{boot}{Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:16]
    except OSError:
        return ""
