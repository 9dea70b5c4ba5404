"""The lock of a tile: a file that its worker holds by flock, which the kernel takes back when the worker dies, and a
lease, for file systems where flock fails or holds on one node only."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from phasemap.sweeps.store import lease
from phasemap.train.whole_file import temporary_beside

LEASE = ".lease"


@contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Holds the lock at ``path``; gives False at once where another process has it.

    Raises:
        OSError: a file cannot be made.
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
        except OSError:
            pass  # the lease alone
        with _leased(path.with_suffix(LEASE)) as mine:
            yield mine
    finally:
        os.close(descriptor)  # and with it the lock


def holder(path: Path) -> lease.Holder | None:
    """The process that holds the lock at ``path``; None if none does. Reads only."""
    return lease.holder(path.with_suffix(LEASE))


def missing(folder: Path) -> str | None:
    """Why files in ``folder`` cannot be locked by flock; None if they can."""
    probe = temporary_beside(folder / "lock")
    try:
        with probe.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return str(error.strerror)
    finally:
        probe.unlink(missing_ok=True)
    return None


@contextmanager
def _leased(path: Path) -> Iterator[bool]:
    if not lease.take(path):
        yield False
        return
    released = threading.Event()

    def renew() -> None:
        while not released.wait(lease.RENEWED):
            lease.renew(path)

    with suppress(RuntimeError):  # no more threads
        threading.Thread(target=renew, daemon=True).start()
    try:
        yield True
    finally:
        released.set()
        lease.give_back(path)
