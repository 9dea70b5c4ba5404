"""One thing and several of it."""

from __future__ import annotations

import re

import pytest

from phasemap.theory.plural import counted
from tests import ROOT


@pytest.mark.parametrize(
    ("number", "noun", "plural", "said"),
    [
        (1, "tile", "", "1 tile"),
        (0, "tile", "", "0 tiles"),
        (2, "tanh network", "", "2 tanh networks"),
        (1, "axis", "axes", "1 axis"),
        (3, "axis", "axes", "3 axes"),
    ],
)
def test_a_number_with_its_noun(number: int, noun: str, plural: str, said: str) -> None:
    assert counted(number, noun, plural) == said


def test_no_text_leaves_the_choice_to_the_reader() -> None:
    rooms = ("theory", "models", "train", "sweeps")
    texts = {path: path.read_text(encoding="utf-8") for room in rooms for path in (ROOT / room).rglob("*.py")}
    strings = {path: re.findall(r'f?"[^"\n]*"', text) for path, text in texts.items()}
    assert [(path.name, one) for path, found in strings.items() for one in found if re.search(r"[a-z]\(s\)", one)] == []
