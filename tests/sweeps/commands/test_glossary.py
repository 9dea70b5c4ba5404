"""The glossary: the page is the table, and every word of the outputs is in it."""

from __future__ import annotations

import pytest

from phasemap.command_line import main
from phasemap.sweeps.glossary.words import GROUPS, SAME, words_like
from tests import ROOT

ASKED = (
    *("BSB1", "BSB2", "G", "L", "M", "B", "ε", "κ", "ξ", "ρ", "Σ lr", "p", "q", "e", "c", "s", "χ"),
    *("tile", "cell", "dead", "diverged", "frontier", "censored", "chance", "preset"),
)


def said(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["glossary", *arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_page_is_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert page.endswith(said("--markdown", capsys=capsys)), "run: phasemap glossary --markdown, and put it on the page"


@pytest.mark.parametrize("word", [*ASKED, *SAME, "bsb1", "kappa"])
def test_every_word_that_outputs_use_is_there(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words_like(word)
    assert ": " in said(word, capsys=capsys)


def test_meanings_are_one_sentence_or_two() -> None:
    for group in GROUPS.values():
        for word, meaning in group.items():
            assert 20 < len(meaning) < 250, word
            assert not meaning.endswith(".")


def test_an_unknown_word_has_its_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["glossary", "frontir"])
    assert ended.value.code == 2
    assert "unknown word 'frontir'; did you mean frontier" in capsys.readouterr().err
