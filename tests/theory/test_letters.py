"""What is printed fails for no letter, whatever the encoding; JSON stays strict."""

from __future__ import annotations

import io
import json
import sys

import pytest

from phasemap.theory.letters import LETTERS, use_plain_letters
from phasemap.theory.shown import print_json

TEXT = "λ_G 1.5 of ‖gradient‖² → ξ ≤ ∞ … é \ud800 😀"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8", "utf-16"])
def test_every_text_can_be_printed(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    use_plain_letters()
    print(TEXT)
    print_json({"λ": TEXT})
    stream.flush()
    told = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    first, second = told.splitlines()
    assert json.loads(second) == {"λ": TEXT}
    if encoding == "ascii":
        assert first == r"lambda_G 1.5 of ||gradient||^2 -> xi <= inf ... \xe9 \ud800 \U0001f600"


def test_what_stands_for_a_letter_is_in_every_encoding() -> None:
    assert all(plain.isascii() for plain in LETTERS.values())
