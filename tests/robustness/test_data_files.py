"""Data files that are odd, damaged, foreign or hostile: each is trained on rightly or refused in a line."""

from __future__ import annotations

import gzip
import io
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.robustness.attack import YAML, attack, complaints

NET = """from torch import nn


def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.Tanh())
"""
NAMES = ("x_train", "y_train", "x_test", "y_test")
SHAPES = (
    (),
    (1,),
    (6,),
    (0,),
    (3, 4),
    (8, 8, 1),
    (3, 8, 8),
    (8, 8, 3),
    (8, 8, 4),
    (4, 4, 4),
    (1, 8, 8),
    (2, 2, 2, 2, 2),
)
KINDS = (
    *"?g",
    *("u1", "i1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16", "m8[s]", "M8[D]", "U3", "S3", ">f4", ">i2"),
)


def samples(rng: random.Random, numbers: np.random.Generator) -> np.ndarray:
    """Of any kind, shape and size of values."""
    shape = (rng.choice([0, 2, 3, 30, 60]), *rng.choice(SHAPES))
    plain = numbers.normal(size=shape) * rng.choice([0, 1, 1, 1, 100, 1e30, 1e-30, 1e160, 1e-160, 1e300])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        array = np.asarray(plain.astype(rng.choice(KINDS)))
    if array.size and rng.random() < 0.3:
        holes = [np.nan, np.inf, -1.7976931348623157e308, 1e38] if array.dtype.kind == "f" else [0]
        with np.errstate(all="ignore"):
            array.flat[rng.randrange(array.size)] = (
                array.dtype.type(rng.choice(holes)) if array.dtype.kind == "f" else array.flat[0]
            )
    if array.ndim == 4 and array.shape[-1] and rng.random() < 0.4:
        array[..., -1] = array.flat[0] if array.size else 0
    return np.asfortranarray(array) if rng.random() < 0.2 else array


def labels(rng: random.Random, numbers: np.random.Generator, count: int) -> np.ndarray:
    """Of any kind, from 0 or not, with gaps or without."""
    classes = numbers.integers(0, rng.choice([1, 2, 4, 100]), count)
    step, start = rng.choice([1, 1, 2, 10**6, 2**40]), rng.choice([0, 0, 1, -1, 2**62])
    with np.errstate(all="ignore"):
        found = (start + step * classes).astype(rng.choice(["i8", "i8", "i8", "u8", "u1", "f8", "?", "U9", "M8[D]"]))
    return rng.choice([found, found, found, found[:, None], np.eye(4)[classes % 4], found[: count // 2]])


def arrays(rng: random.Random) -> dict[str, np.ndarray]:
    """A data set, or nearly one."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    x = samples(rng, numbers)
    y = labels(rng, numbers, len(x))
    test = slice(0, 12) if rng.random() < 0.8 else slice(0, 1)
    found = {"x_train": x, "y_train": y, "x_test": x[test], "y_test": y[test]}
    if rng.random() < 0.1:
        found["x_test"] = samples(rng, numbers)
    if rng.random() < 0.1:
        del found[rng.choice(NAMES)]
    if rng.random() < 0.05:
        found[rng.choice(NAMES)] = np.array([{}, None], dtype=object)
    return found


def sound() -> dict[str, np.ndarray]:
    """A data set."""
    x, y = np.random.default_rng(0).normal(size=(60, 6)), np.arange(60) % 3
    return {"x_train": x[:40], "y_train": y[:40], "x_test": x[40:], "y_test": y[40:]}


def packed(content: dict[str, np.ndarray], compressed: bool) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **content)  # type: ignore[arg-type]
    return stream.getvalue()


def flipped(rng: random.Random, data: bytes) -> bytes:
    """Some bytes are others."""
    found = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 20])):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


def cut(rng: random.Random, data: bytes) -> bytes:
    """The end, the beginning or something between is missing, or there is more."""
    a, b = sorted(rng.choices(range(len(data) + 1), k=2))
    return rng.choice([data[:a], data[a:], data[:a] + data[b:], data + data[a:b], data[:a] + bytes(b - a) + data[b:]])


def header(rng: random.Random, data: bytes) -> bytes:
    """What an array says of itself is another thing."""
    words = [
        (b"(40, 6)", b"(4, 60)"),
        (b"(40, 6)", b"(-4, 6)"),
        (b"(40, 6)", b"(9**9,)"),
        (b"<f8", b"|O8"),
        (b"<f8", b"<f4"),
    ]
    words += [
        (b"False", b"True "),
        (b"'shape'", b"'shepe'"),
        (b"{", b"["),
        (b"NUMPY\x01", b"NUMPY\x02"),
        (b"}", b"("),
        (b"<f8", b"<m8"),
    ]
    old, new = rng.choice(words)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(old, new))
    return stream.getvalue()


def bomb(rng: random.Random, data: bytes) -> bytes:
    """An array that is small while it is packed, or that says that it is large."""
    size = 2**30
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size if rng.random() < 0.5 else 10**15},), }}"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + text.ljust(117).encode() + b"\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name in NAMES:
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(head)
                for _ in range(rng.choice([1, 20])):
                    member.write(bytes(2**22))
    return stream.getvalue()


def zipped(rng: random.Random, data: bytes) -> bytes:
    """An archive as no program of arrays writes it."""
    method = rng.choice([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(stream, "w", method) as after:
        for name in before.namelist():
            after.writestr(rng.choice([name, name, f"deep/{name}", name.upper(), f"../{name}"]), before.read(name))
    found = bytearray(stream.getvalue())
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        if rng.random() < 0.5:
            found[found.find(mark) + offset] |= rng.choice([1, 8, 64])
    return bytes(found)


def foreign(rng: random.Random, data: bytes) -> bytes:
    """Another kind of file by the name of an archive."""
    npy = io.BytesIO()
    np.save(npy, np.zeros(3))
    kinds = [
        b"",
        b"\0",
        b"PK",
        b"PK\x05\x06" + bytes(18),
        npy.getvalue(),
        gzip.compress(data),
        b"a,b\n1,2\n",
        b"\x80\x04N.",
    ]
    return rng.choice(
        [*kinds, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", bytes(rng.randbytes(2000))]
    )


DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (flipped, flipped, cut, header, zipped, foreign, bomb)


def data_file(rng: random.Random) -> bytes:
    """Any of the above."""
    if rng.random() < 0.5:
        return packed(arrays(rng), rng.random() < 0.5)
    return rng.choice(DAMAGES)(rng, packed(sound(), rng.random() < 0.5))


def command(rng: random.Random) -> tuple[str, ...]:
    """One that reads ``x.npz``."""
    if rng.random() < 0.7:
        return ("run", "mine.yaml", "--check", "--set", "dataset=x.npz")
    size = rng.choice([(), ("--input", "6"), ("--input", "3,8,8"), ("--input", "2,3")])
    return ("probe", "net.py:make", "--samples", "x.npz", "--batch-size", "8", "--json", *size)


def tried(folder: Path, seed: int, count: int) -> list[str]:
    (folder / "mine.yaml").write_text(YAML)
    (folder / "net.py").write_text(NET)
    rng, found = random.Random(seed), []
    for number in range(count):
        (folder / "x.npz").write_bytes(data_file(rng))
        outcome = attack(*command(rng), folder=folder)
        wrong = complaints(outcome)
        if outcome.code == 2 and not any(
            word in outcome.err for word in ("x.npz", "dataset: x: ", "net.py", "batch_size", "forward pass")
        ):
            wrong.append(f"no word of the file: {outcome.err}")
        if wrong:
            (folder / f"wrong-{seed}-{number}.npz").write_bytes((folder / "x.npz").read_bytes())
        found += [f"{seed}/{number} {line}" for line in wrong]
    return found


def test_data_files(tmp_path: Path) -> None:
    assert not tried(tmp_path, 0, 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_many_data_files(tmp_path: Path, seed: int) -> None:
    assert not tried(tmp_path, seed, 200)


def idx(rng: random.Random, shape: tuple[int, ...], content: bytes) -> bytes:
    """A file of MNIST's, or nearly one; packed."""
    head = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
    data = bytearray(gzip.compress(head + content))
    for _ in range(rng.choice([0, 0, 1])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.choice([None, None, rng.randrange(len(data))])])


def mnist(rng: random.Random, root: Path) -> None:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        count = rng.choice([30, 30, 30, 0, 2**31])
        content = rng.choice([bytes(i % 251 for i in range(30 * 784)), bytes(30 * 784), bytes(2**24)])
        (raw / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(rng, (count, 28, 28), content))
        (raw / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(rng, (30,), bytes(i % 3 for i in range(30))))


def test_packed_files_of_mnist(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(YAML)
    rng, found = random.Random(0), []
    for _ in range(15):
        mnist(rng, tmp_path)
        environment: dict[str, Any] = {"PHASEMAP_DATA_DIR": str(tmp_path)}
        found += complaints(
            attack("run", "mine.yaml", "--check", "--set", "dataset=mnist", folder=tmp_path, environment=environment)
        )
    assert not found
