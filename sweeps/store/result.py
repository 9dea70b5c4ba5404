"""One result file: written whole or not at all, and read only if it is exactly what was written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from phasemap.sweeps.store.key import canonical
from phasemap.train.result_types import Result

SCHEMA, OLDEST_SCHEMA = 1, 1
"""Version of the file's layout as it is written, and the oldest that is read. Others are refused, with a clear line."""
OLDEST_SEMANTICS = 1
"""The oldest version of the training whose results are read. The version is part of the key: no two are confused."""
OUTCOMES = ("finished", "diverged", "dead")


class ResultError(Exception):
    """A file that is no usable result.

    Attributes:
        kind: ``damaged`` (truncated or altered), ``foreign`` (not a result, or of another tile), ``newer`` or ``older``
            than this program reads.
    """

    def __init__(self, kind: str, path: Path, reason: str) -> None:
        super().__init__(f"{kind} result file {path.name}: {reason}")
        self.kind, self.path, self.reason = kind, path, reason


def _checksum(key: str, content: Any) -> str:
    return hashlib.sha256(f"{key}{canonical(content)}".encode()).hexdigest()


def write(path: Path, result: Result) -> None:
    """Writes ``{"content", "provenance"}`` to ``path``, named by its key; a crash leaves the old file or the new one.

    Raises:
        OSError: the disk is full or cannot be written; nothing is left behind.
        ValueError: the result holds NaN or infinity, which is not JSON.
    """
    write_text(path, json.dumps(stamped(path.stem, result), allow_nan=False, ensure_ascii=False) + "\n")


def stamped(key: str, result: Result) -> Result:
    """The result of tile ``key`` with what `parse` checks: the layout's version, the key, and a checksum of both."""
    stamp = {"schema": SCHEMA, "key": key, "checksum": _checksum(key, result["content"])}
    return {"content": result["content"], "provenance": {**result["provenance"], **stamp}}


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file that is whole or not at all: what is written to the temporary file beside it is synced and renamed."""
    if path.exists() and not path.is_file():  # a device or a pipe
        yield path
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
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


def read(path: Path, *, semantics: int) -> Result:
    """The result in ``path``; ``semantics`` is the newest version of the training that this program knows.

    Raises:
        ResultError: it is truncated, altered, of a version that is not read, of another tile, or no result at all.
        FileNotFoundError: there is no such file.
    """
    key, document = parse(path, path.read_bytes(), semantics=semantics)
    if key != path.stem:
        raise ResultError("foreign", path, f"it holds the result of tile {key}")
    return document


def parse(path: Path, data: bytes, *, semantics: int) -> tuple[str, Result]:
    """The key and the result in ``data``; errors name ``path``. Raises ResultError."""
    try:
        document = json.loads(data.decode("utf-8"))
    except ValueError:
        kind = "damaged" if data.lstrip()[:1] in (b"{", b"") else "foreign"
        raise ResultError(kind, path, "it is not whole JSON") from None
    if not isinstance(document, dict) or not all(isinstance(document.get(k), dict) for k in ("content", "provenance")):
        raise ResultError("foreign", path, "it has no content and provenance")
    content, provenance = document["content"], document["provenance"]
    for what, version, oldest, newest in (
        ("schema", provenance.get("schema"), OLDEST_SCHEMA, SCHEMA),
        ("semantics", content.get("semantics"), OLDEST_SEMANTICS, semantics),
    ):
        if not isinstance(version, int):
            raise ResultError("foreign", path, f"it has no {what} version")
        if not oldest <= version <= newest:
            kind = "newer" if version > newest else "older"
            raise ResultError(kind, path, f"{what} {version}; this program reads {oldest} to {newest}")
    key = str(provenance.get("key"))
    if provenance.get("checksum") != _checksum(key, content):
        raise ResultError("damaged", path, "its content does not match its checksum")
    return key, cast(Result, document)


@dataclass(frozen=True)
class OutcomesAndAccuracy:
    """How many cells of a result ended how, and the lowest and highest test accuracy (None: no cell has one)."""

    outcomes: dict[str, int]
    accuracy: tuple[float, float] | None


def outcomes_and_accuracy(result: Result) -> OutcomesAndAccuracy:
    """What a run's progress says of a result."""
    accuracies = [cell["test_accuracy"] for cell in result["content"]["cells"] if cell["test_accuracy"] is not None]
    return OutcomesAndAccuracy(dict(result_cells(result)), (min(accuracies), max(accuracies)) if accuracies else None)


def result_cells(result: Result) -> Counter[str]:
    """The cells of a result by outcome."""
    return Counter(cell["outcome"] for cell in result["content"]["cells"])
