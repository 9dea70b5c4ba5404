"""Files of arrays: what is wrong with one is told in a line, and nothing is unpacked that it does not hold."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from phasemap.theory.errors import InputError
from phasemap.train.data import npz
from phasemap.train.data.npz import opened


def read(path: Path, name: str = "x") -> np.ndarray:
    with opened(path, f"--samples {path}") as file:
        return file.read(name)


def refused(path: Path, name: str = "x") -> str:
    with pytest.raises(InputError) as caught:
        read(path, name)
    (line,) = caught.value.messages
    assert line.startswith(f"--samples {path}: ")
    assert "\n" not in line
    return line


def archive(path: Path, member: bytes, *, name: str = "x.npy", packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as file:
        file.writestr(name, member)
    return path


def member(header: dict[str, object], content: bytes = b"") -> bytes:
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, header)  # type: ignore[arg-type]
    return stream.getvalue() + content


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path: Path, save: Callable[..., None]) -> None:
    arrays = [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.eye(3)),
        np.zeros((0, 2)),
        np.float32(3),
        np.zeros(3, "U2"),
    ]
    save(tmp_path / "x.npz", **{f"a{i}": array for i, array in enumerate(arrays)})
    for i, array in enumerate(arrays):
        np.testing.assert_array_equal(read(tmp_path / "x.npz", f"a{i}"), array)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x93NUMPY\x01\x00", "one array"),
        (b"\x1f\x8b\x08\x00", "gzip -d"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x04\x95", "a pickle"),
        (b"x,y\n1,2\n", "no archive of arrays"),
        (b"PK\x03\x04" + bytes(40), "cut off"),
    ],
)
def test_foreign_files(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    assert words in refused(tmp_path / "x.npz")


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    assert "it is a folder" in refused(tmp_path / "folder.npz")
    assert "no regular file" in refused(tmp_path / "pipe.npz")
    assert "no regular file" in refused(Path("/dev/zero"))
    assert "No such file" in refused(tmp_path / "none.npz")
    with pytest.raises(InputError, match="null byte"):
        read(tmp_path / "nul\0.npz")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"descr": "<f8", "fortran_order": False, "shape": (10**15,)}, r"is damaged: shape \(1000000000000000,\)"),
        ({"descr": "<f8", "fortran_order": False, "shape": (-2, -1)}, "is damaged"),
        ({"descr": "|O", "fortran_order": False, "shape": (2,)}, "Python objects"),
        ({"descr": "<z8", "fortran_order": False, "shape": (2,)}, "the file is damaged"),
        ({"descr": "<f8", "fortran_order": 7, "shape": (2,)}, "the file is damaged"),
    ],
)
def test_headers_are_checked(tmp_path: Path, header: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(archive(tmp_path / "x.npz", member(header, bytes(16))))


def test_headers_that_are_no_text_of_python(tmp_path: Path) -> None:
    good = member({"descr": "<f8", "fortran_order": False, "shape": (2,)}, bytes(16))
    for bad in (good.replace(b"{", b"("), good.replace(b"2", b"("), good[:8], good[:40], b"\x93NUMPY\x09\x00"):
        refused(archive(tmp_path / "x.npz", bad))
    assert "named columns" in refused(archive(tmp_path / "x.npz", good.replace(b"NUMPY\x01", b"NUMPY\x02")))


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(2**24))
    assert "more than 200 times as much" in refused(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", x=np.zeros(2**24))
    assert len(read(tmp_path / "x.npz")) == 2**24
    monkeypatch.setattr(npz, "host_available", lambda: 1e8)
    assert "takes 134.2 MB; 100.0 MB of memory are free" in refused(tmp_path / "x.npz")


def test_members_that_are_not_as_savez_writes_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.arange(9))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "encrypted.npz").write_bytes(data)
    assert "encrypted" in refused(tmp_path / "encrypted.npz")
    good = member({"descr": "<f8", "fortran_order": False, "shape": (2,)}, bytes(16))
    assert "packed in a way" in refused(archive(tmp_path / "lzma.npz", good, packed=zipfile.ZIP_LZMA))
    with zipfile.ZipFile(archive(tmp_path / "twice.npz", good), "a") as file, pytest.warns(UserWarning, match="Dup"):
        file.writestr("x.npy", good)
    assert "several arrays of this name" in refused(tmp_path / "twice.npz")
