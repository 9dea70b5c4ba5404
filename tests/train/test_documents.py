"""Documents from outside: regular files within bounds, and JSON that is what it should be or a reason why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypedDict

import pytest

from phasemap.train.documents import Count, DocumentError, Number, Rate, Text, from_json, of_schema, read_file, too_deep


class Point(TypedDict):
    name: Text
    numbers: list[Number]
    share: Rate | None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("{", "it is not whole JSON: "),
        ("NaN", "it is not whole JSON: NaN is no number in JSON"),
        ('{"name": "\\ud800", "numbers": [], "share": 1}', "it is not whole JSON: "),
        (b"\xff", "it is not whole JSON: "),
        ("\ud800", "it is not UTF-8 text"),
        ('{"x": ' + "[" * 100_000, "it is nested too deep"),
        ("[]", "expected a mapping, got a list"),
        ("{}", "expected name"),
        ('{"name": 1}', "name: expected a text, got a whole number"),
        ('{"name": "x", "numbers": [1, true]}', "numbers[1]: expected a whole number or a number, got true or false"),
        ('{"name": "x", "numbers": [' + "9" * 400 + "]}", "numbers[0]: expected a whole number <= 9223372036854775807"),
        ('{"name": "x", "numbers": [1e999]}', "numbers[0]: number out of range"),
        ('{"name": "x", "numbers": [], "share": 2}', "share: expected a whole number <= 1"),
        ('{"name": "' + "x" * 10_001 + '"}', "name: expected a text of length <= 10000"),
    ],
)
def test_what_is_no_such_document(data: str | bytes, reason: str) -> None:
    with pytest.raises(DocumentError) as caught:
        from_json(data, Point)
    assert str(caught.value).startswith(reason)


def test_what_is_one() -> None:
    assert from_json('{"name": "x", "numbers": [1, 0.5], "share": null}', Point)["numbers"] == [1, 0.5]
    assert of_schema({"a": 3}, dict[str, Count]) == {"a": 3}
    with pytest.raises(DocumentError, match=r"^expected a number <="):
        of_schema(float("inf"), Number)
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(DocumentError):
        of_schema(circle, list[list[int]])


def test_depth() -> None:
    assert not too_deep([[1], {"a": [2]}], 3)
    assert too_deep([[1], {"a": [2]}], 2)
    assert not too_deep(3, 0)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("abc")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", 3) == b"abc"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 10**12)
    for name, most, reason in (
        ("file", 2, "it has more than 2 bytes"),
        ("sparse", 10**9, "it has more than 1,000,000,000 bytes"),
        ("pipe", 9, "it is no regular file"),
        (".", 9, "it is a folder"),
    ):
        with pytest.raises(DocumentError) as caught:
            read_file(tmp_path / name, most)
        assert str(caught.value) == reason
    with pytest.raises(DocumentError, match="no regular file"):
        read_file(Path("/dev/zero"), 9)
    for name in ("loop", "nothing"):
        with pytest.raises(OSError, match=name):
            read_file(tmp_path / name, 9)
