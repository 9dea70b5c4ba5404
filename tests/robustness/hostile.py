"""What disks, other programs and people make of documents: bytes that change, and JSON that says something else."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

LITERALS = (
    *("null", "true", "false", "0", "-1", "1", "2", "0.5", "1.5", "-0.0", "1e-320", "1e308", "-1e308", "1e999", "1e5"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775809", "9" * 400),
    *(
        "9" * 5000,
        "NaN",
        "Infinity",
        "-Infinity",
        '""',
        '"x"',
        '"0.5"',
        '"null"',
        '"[1, 2]"',
        '"@depth"',
        '"@"',
        '"\\ud800"',
    ),
    *(
        '"a\\udc00b"',
        '"\\u0000"',
        '"\\u001b[31m"',
        '"' + "x" * 20_000 + '"',
        '"../../x"',
        '"/etc/passwd:f"',
        '"x.py:f"',
    ),
    *(
        '"$x_{"',
        "[]",
        "[1]",
        "[[]]",
        "[[1, 2], [3]]",
        "[null]",
        "[true, 1]",
        "[1, 1]",
        "[1e308, 1e308]",
        "{}",
        '{"a": 1}',
    ),
    *(
        '{"value": 1}',
        '{"values": []}',
        '{"": {}}',
        '["' + "y" * 20_000 + '"]',
        "[" * 60 + "]" * 60,
        "[" * 5000 + "]" * 5000,
    ),
    *('{"a":' * 3000 + "1" + "}" * 3000, "[" * 100_000, "[" + "0," * 50_000 + "0]", "01", "'x'", "", ",", "\\", "1 2"),
)
"""Spelt as JSON would be, valid or not."""
_MARK = "<<here>>"


def places(document: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, by the keys that lead to it; the root is ()."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [place, *(found for key, value in inner for found in places(value, (*place, key)))]


def changed(document: Any, rng: random.Random) -> tuple[Any, str]:
    """A copy of ``document`` with one entry gone, doubled, renamed or another; and what `spelt` is to put there."""
    root = {"root": copy.deepcopy(document)}
    *above, last = ("root", *rng.choice(places(document)))
    parent: Any = root
    for key in above:
        parent = parent[key]
    literal = rng.choice(LITERALS)
    what = rng.randrange(8)
    if what == 0 and above:
        del parent[last]
    elif what == 1 and isinstance(parent[last], dict):
        parent[last][rng.choice(["", "x", "seed", "value", "_", "\x00"])] = _MARK
    elif what == 2 and isinstance(parent[last], list):
        parent[last].insert(rng.randrange(len(parent[last]) + 1), _MARK)
    elif what == 3 and isinstance(parent, dict) and above:
        parent[f"{last}s"] = parent.pop(last)
    elif what == 4 and isinstance(parent[last], (int, float)):
        parent[last] = rng.choice([-parent[last], parent[last] + 1, str(parent[last]), parent[last] * 1e300])
    else:
        parent[last] = _MARK
    return root["root"], literal


def spelt(document: Any, literal: str) -> str:
    """The JSON of what `changed` gives."""
    return json.dumps(document).replace(json.dumps(_MARK), literal)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes, changed as disks, copies and people change files."""
    at = rng.randrange(len(data))
    match rng.randrange(9):
        case 0 | 1 | 2:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 3:
            return data[:at]
        case 4:
            return data + rng.choice([b"\n", b"x", b"\x00" * 4096, rng.randbytes(100), data])
        case 5:
            return data[:at] + bytes(min(4096, len(data) - at)) + data[at + 4096 :]
        case 6:
            return data[:at] + data[at + rng.randrange(1, 100) :]
        case 7:
            return (
                data[:at]
                + rng.choice([b'"', b"{", b"]", b"9" * 500, b"\xff", b"\xed\xa0\x80", b"[" * 5000])
                + data[at:]
            )
        case _:
            return rng.choice(
                [b"", b"\n", b"null", b"[]", b"{}", b'"x"', b"PK\x03\x04", b"\x80\x04.", rng.randbytes(300)]
            )
