"""What is read from outside, within bounds: the bytes of a file, and JSON of a declared type."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

Schema = TypeVar("Schema")

Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number of 64 bits."""
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_LARGEST = 1.7976931348623157e308
Finite = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
Number = Whole | Finite
"""A finite number; JSON spells 1.0 as 1, too."""
Rate = Annotated[float, Meta(ge=0, le=1)] | Annotated[int, Meta(ge=0, le=1)]
LONGEST_TEXT = 10_000
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Scalar = bool | Whole | Finite | Text | None
"""What a parameter of one cell can be."""
DEEPEST = 32
"""Levels of lists and mappings in one another that a document may have."""


class DocumentError(ValueError):
    """It is no document of the kind that is expected; the text says why."""


def read_file(path: Path, most: int) -> bytes:
    """The bytes of a regular file; nothing else is opened, as a pipe never ends and a device does what it likes.

    Args:
        most: bytes that it may have.

    Raises:
        OSError: it is not there, or cannot be read.
        DocumentError: it is a folder, a pipe or a device, or larger than ``most``.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise DocumentError("it is a folder" if stat.S_ISDIR(found.st_mode) else "it is no regular file")
    if found.st_size <= most:
        with path.open("rb") as file:
            data = file.read(most + 1)
    if found.st_size > most or len(data) > most:
        raise DocumentError(f"it has more than {most:,} bytes")
    return data


def read_text(path: Path, most: int) -> str:
    """The text of a regular file. Raises as `read_file`, and DocumentError if it is not UTF-8."""
    try:
        return read_file(path, most).decode("utf-8")
    except UnicodeDecodeError:
        raise DocumentError("it is not UTF-8 text") from None


def from_json(data: bytes | str, schema: type[Schema] | Any) -> Schema | Any:
    """The JSON in ``data`` as ``schema`` says it.

    Raises:
        DocumentError: it is no JSON (as none with NaN, half a surrogate pair or more than 64 bits is), is nested too
            deep, or of another form.
    """
    try:
        return msgspec.json.decode(data, type=schema)
    except msgspec.ValidationError as error:
        raise DocumentError(_in_words(error)) from None
    except msgspec.DecodeError as error:
        beyond = re.search(r"\b(NaN|Infinity)\b", data if isinstance(data, str) else data.decode(errors="replace"))
        reason = f"{beyond[0]} is no number in JSON" if beyond and "invalid character" in str(error) else str(error)
        raise DocumentError(f"it is not whole JSON: {reason}") from None
    except UnicodeEncodeError:  # of a text
        raise DocumentError("it is not UTF-8 text") from None
    except RecursionError:
        raise DocumentError("it is nested too deep") from None


def of_schema(document: Any, schema: type[Schema] | Any) -> Schema | Any:
    """``document``, made of dictionaries, lists and scalars, as ``schema`` says it. Raises DocumentError."""
    try:
        return msgspec.convert(document, schema)
    except msgspec.ValidationError as error:
        raise DocumentError(_in_words(error)) from None
    except RecursionError:
        raise DocumentError("it is nested too deep") from None


def too_deep(document: Any, deepest: int = DEEPEST) -> bool:
    """Whether lists and mappings stand in one another more than ``deepest`` times: level by level, not recursively."""
    level = [document]
    for _ in range(deepest):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list, tuple))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return any(isinstance(one, (dict, list, tuple)) for one in level)


_KINDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def _in_words(error: msgspec.ValidationError) -> str:
    """``cells[3].seed: expected a whole number, got a text``, where msgspec says it in its own terms."""
    what, _, where = str(error).partition(" - at `")
    where = re.sub(r"^(key` in `)?\$\.?", "", where.removesuffix("`"))
    what = re.sub(r"`([^`]+)`", lambda kinds: " or ".join(_KINDS.get(k, k) for k in kinds[1].split(" | ")), what)
    what = what.replace("Object missing required field", "expected")
    what = f"{what[:1].lower()}{what[1:]}"
    return f"{where}: {what}" if where else what
