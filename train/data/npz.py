"""Arrays of the user's own, from ``.npz`` files: what a file says of its arrays is checked before any is unpacked."""

from __future__ import annotations

import math
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.data.samples import Raw
from phasemap.train.machine.host_memory import host_available

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
SMALL, MOST_PACKED = 2**26, 200
"""Bytes up to which an array may be packed as it likes, and how many times smaller than itself a larger one may be.
Pictures are packed 2 to 100 times, an array of one number 1000 times."""
LONGEST_LIST = 2**24
"""Bytes that the list of an archive's members may have."""
FOREIGN = {
    b"\x93NUMPY": "one array (.npy); expected an archive of named ones, as numpy.savez writes it",
    b"\x1f\x8b": "packed by gzip; unpack it first (gzip -d)",
    b"version https://git-lfs": "the pointer that Git LFS keeps in place of a file; git lfs pull fetches the file",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file; expected an archive of arrays, as numpy.savez writes it",
    b"MATLAB": "a MATLAB file; expected an archive of arrays, as numpy.savez writes it",
    b"\x80": "a pickle, which is never opened; expected an archive of arrays, as numpy.savez writes it",
}
"""What files that are no archive begin with, and what they are."""


def load_npz(path: Path) -> Raw:
    """The samples of a file with x_train, y_train, x_test and y_test, called as the file is.

    Raises:
        InputError: it cannot be read, or lacks an array.
    """
    with opened(path, f"dataset: {path}") as file:
        missing = [name for name in ARRAYS if name not in file.names]
        if missing:
            raise InputError(f"dataset: {path}: has no {', '.join(missing)}; expected {', '.join(ARRAYS)}")
        x_train, y_train, x_test, y_test = (file.read(name) for name in ARRAYS)
    return Raw(path.stem, x_train, y_train, x_test, y_test)


class NpzFile:
    """An open archive; ``named`` is what messages call it.

    Attributes:
        names: of its arrays.
    """

    def __init__(self, archive: zipfile.ZipFile, size: int, named: str) -> None:
        self._archive, self._size, self._named = archive, size, named
        self.names: Sequence[str] = [name.removesuffix(".npy") for name in archive.namelist()]

    def read(self, name: str) -> NDArray[Any]:
        """One array.

        Raises:
            InputError: it is damaged, encrypted, holds Python objects, or takes more memory than there is.
        """
        named = f"{self._named}: {name}"
        if self.names.count(name) > 1:
            raise InputError(f"{named}: the file holds several arrays of this name")
        info = self._archive.infolist()[self.names.index(name)]
        if info.flag_bits & 1:
            raise InputError(f"{named}: cannot be read: it is encrypted; expected an archive as numpy.savez writes it")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{named}: is packed in a way that numpy.savez_compressed does not use; write it again")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of headers that Python 2 wrote
                with self._archive.open(info) as member:
                    self._check_header(member, info, named)
                with self._archive.open(info) as member:
                    return np.asarray(npy.read_array(member, allow_pickle=False))
        except InputError:
            raise
        except MemoryError:
            raise InputError(f"{named}: {_in_words(info.file_size)} do not fit into the memory that is free") from None
        except Exception as error:  # whatever is wrong with foreign bytes is the file's fault
            raise InputError(f"{named}: cannot be read, the file is damaged ({_reason(error)})") from error

    def _check_header(self, member: Any, info: zipfile.ZipInfo, named: str) -> None:
        if npy.read_magic(member) != (1, 0):  # versions 2 and 3 are for tables of named columns only
            raise InputError(f"{named}: holds a table of named columns; expected plain numbers")
        shape, _, dtype = npy.read_array_header_1_0(member)
        if dtype.hasobject:
            raise InputError(
                f"{named}: cannot be read: it holds Python objects, which are never unpacked; expected numbers"
            )
        size, there = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
        if size != there or min(shape, default=0) < 0:
            raise InputError(f"{named}: is damaged: shape {shape} of {dtype} is {size} bytes, and {there} are there")
        packed = max(min(info.compress_size, self._size), 1)
        if size > SMALL and size > MOST_PACKED * packed:
            raise InputError(
                f"{named}: {_in_words(packed)} would unpack to {_in_words(size)}, more than {MOST_PACKED} times as"
                " much: refused as no real data; if they are, write them by numpy.savez, unpacked"
            )
        if size > (free := host_available()):
            raise InputError(f"{named}: takes {_in_words(size)}; {_in_words(free)} of memory are free")


@contextmanager
def opened(path: Path, named: str) -> Iterator[NpzFile]:
    """The archive, open.

    Args:
        named: what messages begin with: the option and the file.

    Raises:
        InputError: there is no such file, or it is no archive of arrays.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            what = "a folder" if path.is_dir() else "no regular file"
            raise InputError(f"{named}: cannot be read as .npz: it is {what}")
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        raise InputError(f"{named}: cannot be read as .npz: {_reason(error)}") from error
    with stream:
        try:
            _check_archive(stream)
            archive = zipfile.ZipFile(stream)
        except Exception as error:  # whatever is wrong with foreign bytes is the file's fault
            raise InputError(f"{named}: cannot be read as .npz: {_reason(error)}") from error
        with archive:
            yield NpzFile(archive, path.stat().st_size, named)


def _check_archive(stream: BinaryIO) -> None:
    """Raises ValueError for what is no archive, or lists more members than any archive of arrays has."""
    start = stream.read(32)
    if not start:
        raise ValueError("the file is empty")
    for magic, what in FOREIGN.items():
        if start.startswith(magic):
            raise ValueError(f"it is {what}")
    end = stream.seek(0, 2)
    stream.seek(max(0, end - 2**16 - 22))
    tail = stream.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) < place + 22:
        what = "it is cut off" if start.startswith(b"PK") else "it is no archive of arrays, as numpy.savez writes it"
        raise ValueError(what)
    members, listed = struct.unpack_from("<HI", tail, place + 10)
    if members == 0xFFFF or listed > LONGEST_LIST:
        raise ValueError("it lists more arrays than a data set has")


def _in_words(size: float) -> str:
    """``8.0 GB``."""
    unit, name = next(
        (unit, name)
        for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))
        if size >= unit or unit == 1
    )
    return f"{size / unit:.1f} {name}" if unit > 1 else counted(round(size), "byte")


def _reason(error: BaseException) -> str:
    """One line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0][:200]
