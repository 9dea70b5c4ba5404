"""``phasemap list`` names every figure of both papers, each with a command that exists."""

from __future__ import annotations

import json
import re

import pytest

from phasemap.command_line import main
from phasemap.sweeps.commands.list_experiments import listing, records
from phasemap.sweeps.experiments.experiment import available, load
from phasemap.sweeps.figures.catalogue import theory_figures

FIGURES_OF_THE_PAPERS = [
    *("bn-fig1", "bn-fig2", "bn-fig3a", "bn-fig3b", "bn-fig3c", "bn-fig3d", "bn-fig4", "bn-fig5a", "bn-fig5b"),
    *("bn-fig5c", "bn-fig5d", "bn-fig7", "bn-fig8", "bn-fig9", "bn-fig10"),
    *("vv-fig1", "vv-fig2", "vv-fig3", "vv-figA1", "vv-figA2", "vv-figB3", "vv-figB4"),
]
"""The names that the design fixes; panels have a suffix."""


def test_every_figure_of_both_papers_is_there_by_its_name() -> None:
    shown = {line.split(":")[0].split(" ")[0] for line in listing().splitlines()}
    listed = [record["name"] for record in records()]
    for figure in FIGURES_OF_THE_PAPERS:
        panels = [
            name for name in listed if re.fullmatch(rf"{figure}([a-z]|-[a-z]+)?", name)
        ]  # bn-fig1 is not bn-fig10
        assert panels, figure
        for name in panels:
            assert name in shown
            assert (name in available()) != (name in [figure.name for figure in theory_figures()])


def test_figure_6_is_said_to_be_drawn_with_figure_2() -> None:
    assert [figure.name for figure in theory_figures() if "6" in figure.shows.split(":")[0]] == ["bn-fig2"]


def test_what_is_listed_exists_and_what_exists_is_listed() -> None:
    listed = [record["name"] for record in records() if record["kind"] == "theory figure"]
    assert listed == [figure.name for figure in theory_figures()]
    assert [record["name"] for record in records() if record["kind"] == "experiment"] == list(available())
    assert len({record["name"] for record in records()}) == len(records())


def test_no_entry_is_a_stub() -> None:
    for record in records():
        assert len(record["description"]) > len("Fig. 10")
        if record["kind"] == "experiment":
            for preset, costs in record["presets"].items():
                tiles = load(record["name"], preset).tiles()
                assert costs["tiles"] == len(tiles)
                assert costs["cells"] >= costs["tiles"]
                assert costs["flops"] > 0
        else:
            assert record["cpu_seconds"] > 0


def test_json_is_the_same_list(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["list", "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out) == records()
