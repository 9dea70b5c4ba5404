"""One result file: written whole or not at all, and read only if it is exactly what was written."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from phasemap.sweeps.store.key import canonical
from phasemap.sweeps.store.result_laws import check_result
from phasemap.train.documents import DocumentError, from_json, read_file
from phasemap.train.result_types import Provenance, Result
from phasemap.train.whole_file import write_text

SCHEMA, OLDEST_SCHEMA = 1, 1
"""Version of the file's layout as it is written, and the oldest that is read. Others are refused, with a clear line."""
OLDEST_SEMANTICS = 1
"""The oldest version of the training whose results are read. The version is part of the key: no two are confused."""
_HEAD, _MIDDLE = b'{"content": ', b', "provenance": '
"""How a file begins, and what stands between its two parts."""
LARGEST = 2**28
"""Bytes of the largest result that is read: a monitor that records 20 layers at every one of 200,000 steps."""


class ResultError(Exception):
    """A file that is no usable result.

    Attributes:
        kind: ``damaged`` (truncated, altered, or of other types than a result's), ``foreign`` (not a result, or of
            another tile), ``newer`` or ``older`` than this program reads.
    """

    def __init__(self, kind: str, path: Path, reason: str) -> None:
        super().__init__(f"{kind} result file {path.name}: {reason}")
        self.kind, self.path, self.reason = kind, path, reason


def _checksum(key: str, content: Any) -> str:
    return hashlib.sha256(f"{key}{canonical(content)}".encode()).hexdigest()


def _json(document: Any) -> str:
    return json.dumps(document, allow_nan=False, ensure_ascii=False)


def _written(checksum: str, content: bytes) -> str:
    """A checksum of the content as it is spelt in its file, and of ``checksum``: it shows in a tenth of the time that
    both are as they were written."""
    return hashlib.sha256(checksum.encode() + content).hexdigest()


def _is_as_written(data: bytes, provenance: Mapping[str, Any]) -> bool:
    checksum = provenance.get("checksum")
    if "written" not in provenance or not isinstance(checksum, str):  # results of older versions, and of W&B
        return False
    content = data[len(_HEAD) : data.rfind(_MIDDLE)]
    return bool(data.startswith(_HEAD) and provenance["written"] == _written(checksum, content))


def _seal(provenance: Mapping[str, Any]) -> str:
    """A checksum of the rest of the file: the provenance without its checksums."""
    rest = {name: value for name, value in provenance.items() if name not in ("checksum", "seal")}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def write(path: Path, result: Result) -> None:
    """Writes ``{"content", "provenance"}`` to ``path``, named by its key; a crash leaves the old file or the new one.

    Raises:
        OSError: the disk is full or cannot be written; nothing is left behind.
        ValueError: the result holds NaN or infinity, which is not JSON.
    """
    document = stamped(path.stem, result)
    content, provenance = _json(document["content"]), document["provenance"]
    provenance["written"] = _written(provenance["checksum"], content.encode(errors="backslashreplace"))
    provenance["seal"] = _seal(provenance)
    write_text(path, f"{_HEAD.decode()}{content}{_MIDDLE.decode()}{_json(provenance)}}}\n")


def stamped(key: str, result: Result) -> Result:
    """The result of tile ``key`` with what `parse` checks: the layout's version, the key, and checksums of all."""
    provenance: Provenance = {**result["provenance"], "schema": SCHEMA, "key": key}
    provenance["seal"] = _seal(provenance)
    provenance["checksum"] = _checksum(key, result["content"])
    return {"content": result["content"], "provenance": provenance}


def read(path: Path, *, semantics: int) -> Result:
    """The result in ``path``; ``semantics`` is the newest version of the training that this program knows.

    Raises:
        ResultError: it is truncated, altered, of a version that is not read, of another tile, or no result at all; or
            it cannot be read.
        FileNotFoundError: there is no such file.
    """
    try:
        data = read_file(path, LARGEST)
    except FileNotFoundError:
        if path.is_symlink():
            raise ResultError("foreign", path, "it is a link that leads nowhere") from None
        raise
    except DocumentError as error:
        raise ResultError("foreign", path, str(error)) from None
    except OSError as error:
        raise ResultError("damaged", path, f"it cannot be read: {error.strerror}") from None
    key, document = parse(path, data, semantics=semantics)
    if key != path.stem:
        raise ResultError("foreign", path, f"it holds the result of tile {key}")
    return document


def parse(path: Path, data: bytes | str, *, semantics: int) -> tuple[str, Result]:
    """The key and the result in ``data``; errors name ``path``. Raises ResultError.

    What comes back is the file's own content, of the declared types and with what a later version may have added.
    """
    data = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    try:
        document = from_json(data, Any)
    except DocumentError as error:
        kind = "damaged" if data.lstrip()[:1] in (b"{", b"") else "foreign"
        raise ResultError(kind, path, str(error).partition(":")[0]) from None
    if not isinstance(document, dict) or not all(isinstance(document.get(k), dict) for k in ("content", "provenance")):
        raise ResultError("foreign", path, "it has no content and provenance")
    content, provenance = document["content"], document["provenance"]
    for what, version, oldest, newest in (
        ("schema", provenance.get("schema"), OLDEST_SCHEMA, SCHEMA),
        ("semantics", content.get("semantics"), OLDEST_SEMANTICS, semantics),
    ):
        if type(version) is not int or version.bit_length() > 63:
            raise ResultError("foreign", path, f"it has no {what} version")
        if not oldest <= version <= newest:
            kind = "newer" if version > newest else "older"
            raise ResultError(kind, path, f"{what} {version}; this program reads {oldest} to {newest}")
    key = provenance.get("key")
    try:
        as_written = _is_as_written(data, provenance)
        if not isinstance(key, str) or not (as_written or provenance.get("checksum") == _checksum(key, content)):
            raise DocumentError("its content does not match its checksum")
        sealed = provenance.keys() & {"seal", "written"}  # results of older versions are not
        if sealed and provenance.get("seal") != _seal(provenance):
            raise DocumentError("its provenance does not match its checksum")
        check_result(document)
    except DocumentError as error:
        raise ResultError("damaged", path, str(error)) from None
    except RecursionError:
        raise ResultError("damaged", path, "it is nested too deep") from None
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
