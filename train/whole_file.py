"""Files that are whole or not there, and that land where they are meant to: nothing is written through a link that
leaves its folder."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from pathlib import Path

from phasemap.theory.errors import InputError

LONGEST = 40
"""Characters of a file's name in that of its temporary file: names may be as long as the file system allows."""
ABANDONED = 3600.0
"""Seconds without a change after which a temporary file has no writer any more."""


@contextlib.contextmanager
def whole(path: Path, *, new: bool = False) -> Iterator[Path]:
    """The file at ``path``, whole or not at all: what is written to the temporary file given is synced and renamed.

    A link at ``path`` is followed within its folder only; one that leaves it is replaced by the file.

    Args:
        new: only where there is no such file yet; of several writers at one moment one succeeds.

    Raises:
        FileExistsError: with ``new``, there is one.
        OSError: the disk is full or cannot be written; nothing is left behind.
    """
    if _is_device(path):
        yield path
        return
    if path.is_symlink() and _real(path).is_relative_to(_real(path.parent)):
        path = _real(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        _remove_abandoned(path, temporary)
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        if new:
            _put_if_absent(temporary, path)
        else:
            temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the rename itself may be lost with the power
    finally:
        os.close(folder)


def temporary_beside(path: Path) -> Path:
    """A new empty file beside ``path``, ``.NAME.….tmp``, that no other process has, on whatever machine."""
    while True:
        temporary = path.with_name(f".{path.name[:LONGEST]}.{os.urandom(8).hex()}.tmp")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
            return temporary


def _remove_abandoned(path: Path, own: Path) -> None:
    """Removes temporary files of the same name whose writers were killed, by the file system's own clock."""
    with contextlib.suppress(OSError):
        now = own.stat().st_mtime
        for left in path.parent.glob(f"{glob.escape(own.name[: -len('.0123456789abcdef.tmp')])}.{'?' * 16}.tmp"):
            with contextlib.suppress(OSError):
                if now - left.lstat().st_mtime > ABANDONED:
                    left.unlink()


def write_text(path: Path, text: str, *, new: bool = False) -> None:
    """Writes a file whole or not at all, as `whole` does. Halves of characters (a name not in UTF-8) are escaped."""
    write_bytes(path, text.encode(errors="backslashreplace"), new=new)


def write_bytes(path: Path, data: bytes, *, new: bool = False) -> None:
    """Writes a file whole or not at all, as `whole` does."""
    with whole(path, new=new) as temporary:
        temporary.write_bytes(data)


def within(folder: Path, name: str) -> Path:
    """``folder/name``, to be written to. Raises InputError if it is a link that leaves ``folder``."""
    path = folder / name
    if path.is_symlink() and not _real(path).is_relative_to(_real(folder)):
        raise InputError(f"{path}: is a link to {_real(path)}, outside {folder}: nothing is written through it")
    return path


def _put_if_absent(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(str(path)) from None
        temporary.replace(path)
    else:
        temporary.unlink()


def _is_device(path: Path) -> bool:
    """Whether there is a device or a pipe, or a standard stream by its name."""
    folder = _real(path.parent)
    return (path.exists() and not path.is_file()) or folder == Path("/dev") or folder.parts[1:2] == ("proc",)


def _real(path: Path) -> Path:
    """Where it leads; of a loop of links some member (``Path.resolve`` raises there)."""
    return Path(os.path.realpath(path))
