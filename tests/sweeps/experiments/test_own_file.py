"""`phasemap init` writes a file that is right as it stands, of every family, and never over another."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from phasemap.command_line import main
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.experiments.own_file import own_file
from phasemap.theory.errors import InputError
from phasemap.train.families.catalogue import DEFAULT, FAMILIES
from phasemap.train.parameters import TABLE


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_an_experiment_of_that_family(family: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(own_file(family, "mine.yaml"), encoding="utf-8")
    tiles = load(str(file)).tiles()
    assert {tile["architecture"] for tile in tiles} == {family}
    assert {tile["experiment"] for tile in tiles} == {""}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_explained(family: str, tmp_path: Path) -> None:
    text = own_file(family, "mine.yaml")
    lines = text.partition("parameters:\n")[2].splitlines()
    for line in lines:
        name = line.strip().removeprefix("# ").partition(":")[0]
        assert name not in TABLE or line.endswith(TABLE[name].help)
    # what is commented out is right, too
    for line in (line for line in lines if line.startswith("  # ") and "{value" in line):
        ((name, entry),) = yaml.safe_load(line.removeprefix("  # ")).items()
        assert entry == {"value": TABLE[name].default}


def test_the_command_writes_it_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for code in (0, 2):
        with pytest.raises(SystemExit) as ended:
            main(["init", "mine.yaml"])
        assert ended.value.code == code
    said = capsys.readouterr()
    assert said.out == "mine.yaml\n"
    assert "mine.yaml: is there already" in said.err
    assert Path("mine.yaml").read_text(encoding="utf-8") == own_file(DEFAULT, "mine.yaml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["x.txt"], "ends in .yaml"), (["none/x.yaml"], "cannot be written"), (["--family", "lstm"], "expected one of")],
)
def test_bad_input(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["init", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(InputError, match="--family lstm: expected one of"):
        own_file("lstm", "x.yaml")
