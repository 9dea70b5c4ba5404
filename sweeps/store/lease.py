"""The lease of a tile: a file that says who holds it, made at once or not at all, and renewed while it is held.

It holds where flock does not: on a file system without it, and where each node of a cluster has locks of its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from phasemap.train.whole_file import temporary_beside

RENEWED, STALE = 20.0, 120.0
"""Seconds after which a holder renews its lease, and after which one that nobody renewed is over: clocks may differ."""


@dataclass(frozen=True)
class Holder:
    """A process: its machine (see `_machine`), its number there, when it began, as the kernel counts, and the machine's
    name, for those who wait."""

    machine: str
    pid: int
    began: str
    host: str = field(default="", compare=False)

    @staticmethod
    def here() -> Holder:
        """This process."""
        return Holder(_machine(), os.getpid(), _began(os.getpid()), "".join(platform.node().split()))

    @staticmethod
    def of(text: str) -> Holder | None:
        """Whom a lease names; None if it is none."""
        words = text.split()
        if len(words) not in (3, 4) or not words[1].isdecimal():
            return None
        return Holder(words[0], int(words[1]), words[2], words[3] if len(words) == 4 else "")

    def text(self) -> str:
        """As a lease has it."""
        return f"{self.machine or '-'} {self.pid} {self.began or '-'} {self.host}".rstrip() + "\n"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host or 'another machine'}" if self.pid else "another process"

    def alive(self) -> bool | None:
        """Whether the process is there; None of another machine."""
        if not _machine() or self.machine != _machine():
            return None
        return _began(self.pid) == self.began


UNKNOWN = Holder("", 0, "")
"""Who holds a lease that names nobody."""


def take(path: Path) -> bool:
    """Makes the lease, or breaks one that is over; False where another holds it.

    Raises:
        OSError: it cannot be written.
    """
    for _ in range(2):
        if _made(path):
            return True
        found = _read(path)
        if found is not None and not is_over(path, *found, now=_now(path)):
            return False
        if found is not None:
            _break(path, *found)
    return False


def renew(path: Path) -> None:
    """Says by the file's time, by the clock of whoever keeps the file, that it is still held."""
    with suppress(OSError):
        os.utime(path)


def give_back(path: Path) -> None:
    """Removes the lease of this process."""
    found = _read(path)
    if found is not None and found[0] == Holder.here().text():
        path.unlink(missing_ok=True)


def holder(path: Path) -> Holder | None:
    """Who holds the lease; None if nobody does. Reads only, so that the time is this machine's."""
    found = _read(path)
    return None if found is None or is_over(path, *found, now=time.time()) else Holder.of(found[0]) or UNKNOWN


def is_over(path: Path, text: str, renewed: float, *, now: float) -> bool:
    """Whether the lease's process is gone, or, if it is another machine's, has not renewed it."""
    named = Holder.of(text)
    alive = named.alive() if named else None
    return now - renewed > STALE if alive is None else not alive


def _made(path: Path) -> bool:
    """Writes the lease beside, and gives it its name if nobody has it: one step, on every file system with links."""
    temporary = temporary_beside(path)
    try:
        temporary.write_text(Holder.here().text())
        try:
            os.link(temporary, path)
        except (FileExistsError, FileNotFoundError):  # who tidies the folder took ours for a leftover
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            return _made_without_links(path)
        return True
    finally:
        temporary.unlink(missing_ok=True)


def _made_without_links(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(Holder.here().text())
    return True


def _read(path: Path) -> tuple[str, float] | None:
    """What the lease says and when it was renewed; None if there is none."""
    try:
        return path.read_bytes()[:200].decode(errors="replace"), path.stat().st_mtime
    except OSError:
        return None


def _break(path: Path, text: str, renewed: float) -> None:
    """Takes away the lease that was found to be over, and not one that another process put there meanwhile."""
    aside = temporary_beside(path)
    try:
        path.replace(aside)
        if _read(aside) != (text, renewed):
            os.link(aside, path)
    except OSError:
        pass  # somebody else was faster
    finally:
        aside.unlink(missing_ok=True)


def _now(path: Path) -> float:
    """The time by the clock that gives the lease its own."""
    probe = temporary_beside(path)
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _began(pid: int) -> str:
    """When a process of this machine began, in the kernel's ticks; "" if there is none, or it has ended unnoticed."""
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in ("Z", "X") else numbers[18]
    except (OSError, ValueError, IndexError):
        return ""


@cache
def _machine() -> str:
    """Tells machines, their restarts and their containers apart, and says nothing of them; "" where that is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
        return hashlib.sha256(f"{boot}{Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:16]
    except OSError:
        return ""
