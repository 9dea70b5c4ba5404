"""`phasemap parameters` is the table itself, and the page is what it prints."""

from __future__ import annotations

import pytest

from phasemap.command_line import main
from phasemap.sweeps.commands.parameters import COLUMNS, row
from phasemap.train.parameters import TABLE
from tests import ROOT

PAGE = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")


def said(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["parameters", *arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_page_is_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert PAGE.endswith(said("--markdown", capsys=capsys)), (
        "run: phasemap parameters --markdown, and put it on the page"
    )


def test_every_parameter_is_there_and_means_something(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys=capsys)
    for name, one in TABLE.items():
        assert f"{name}: {one.help}" in text.splitlines()
        assert row(name)["stackable"] == ("yes" if one.stackable else "")
        assert set(row(name)) == set(COLUMNS)


def test_one_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = said("batch_size", capsys=capsys)
    assert text.splitlines()[0] == "batch_size: samples in one step"
    assert "    unit: samples" in text.splitlines()
    assert "width" not in text


def test_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["parameters", "bach_size"])
    assert ended.value.code == 2
    assert "unknown parameter 'bach_size'; did you mean batch_size" in capsys.readouterr().err
