"""Without ``--preset`` a built-in experiment is run at its quick preset, and says so; a user's own file is as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from phasemap.sweeps.execution.run import run_experiment
from phasemap.sweeps.experiments.experiment import PAPER, available, load
from phasemap.sweeps.experiments.usual_preset import QUICK, usual_preset
from phasemap.theory.errors import InputError
from tests.robustness.attack import YAML


@pytest.mark.parametrize("name", available())
def test_every_built_in_experiment_has_a_quick_preset(name: str) -> None:
    assert usual_preset(name) == QUICK
    assert load(name).preset == PAPER


def test_check_says_which_preset_it_took_and_what_the_whole_grid_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_experiment("bn-fig3a", check=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bn-fig3a, preset quick"
    assert lines[-1].startswith(
        "no --preset given, so it is quick; --preset paper is the whole grid: 480 cells, about "
    )
    run_experiment("bn-fig3a", preset="quick", check=True)
    assert capsys.readouterr().out.splitlines() == lines[:-1]


def test_a_file_of_ones_own_is_taken_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(YAML)
    run_experiment(str(mine), check=True)
    assert capsys.readouterr().out.startswith("mine, without a preset\n")
    (tmp_path / "presets.yaml").write_text("experiments: {mine: {quick: {steps: 3}}}\n")
    run_experiment(str(mine), check=True)
    assert capsys.readouterr().out.startswith("mine, preset quick\n")


def test_no_such_experiment() -> None:
    with pytest.raises(InputError, match="unknown experiment 'bn-fig5'; did you mean"):
        usual_preset("bn-fig5")
