"""MNIST's four files as they are published, plain or gzip-compressed, in the folder where torchvision keeps them.

They are read here and not by torchvision because it takes seconds to import, and wants compressed files unpacked beside
themselves, which a read-only folder does not allow.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from phasemap.theory.errors import InputError

UNSIGNED_BYTES = b"\0\0\x08"
"""How a file of the IDX format begins that holds bytes; then the number of dimensions and, big-endian, their sizes."""
LARGEST = 2**28
"""Bytes of pictures that a file may hold, five times MNIST's: a packed one says how many before they are unpacked."""

Mnist = tuple[
    UInt8[np.ndarray, "n 28 28"], UInt8[np.ndarray, " n"], UInt8[np.ndarray, "m 28 28"], UInt8[np.ndarray, " m"]
]


def read_mnist(root: Path) -> Mnist | None:
    """Training pictures and labels, test pictures and labels; None unless all of them are in ``root``/MNIST/raw.

    Raises:
        InputError: a file is damaged.
    """
    found: list[Path] = []
    for part in ("train", "t10k"):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            plain = root / "MNIST" / "raw" / f"{part}-{kind}"
            found += [file for file in (plain, plain.with_name(f"{plain.name}.gz")) if file.is_file()][:1]
    if len(found) < 4:
        return None
    x_train, y_train, x_test, y_test = (_read(file) for file in found)
    for file, x, y in ((found[0], x_train, y_train), (found[2], x_test, y_test)):
        if y.ndim != 1 or not y.size or x.shape != (y.size, 28, 28):
            raise InputError(
                f"dataset: {file}: has the shape {x.shape}, its labels {y.shape}; expected (n, 28, 28), (n,)"
            )
    return x_train, y_train, x_test, y_test


def _read(file: Path) -> UInt8[np.ndarray, "*shape"]:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            start = stream.read(4)
            if start[:3] != UNSIGNED_BYTES:
                raise ValueError("not an IDX file of bytes")
            shape = struct.unpack(f">{start[3]}I", stream.read(4 * start[3]))
            size = math.prod(shape)
            if size > LARGEST:
                raise ValueError(f"{shape} bytes are more than MNIST has")
            content = stream.read(size + 1)
        if len(content) != size:
            raise ValueError(f"it says that {size} bytes follow, and {len(content)}{'+' * (len(content) > size)} do")
        return np.frombuffer(content, np.uint8).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError, zlib.error, struct.error) as error:
        raise InputError(f"dataset: {file}: cannot be read as MNIST: {error}") from error
