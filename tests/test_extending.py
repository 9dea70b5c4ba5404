"""docs/extending.md as a reader would do it: a family, a data set, a theory, a figure and an executor from files of his
own, outside the project; then a map is trained, reported and drawn with all of them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from phasemap.theory.catalogue import Catalogue
from phasemap.theory.errors import InputError
from tests import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def lines() -> list[str]:
    return [
        line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) for line in block.split("\n")
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page has its reader save."""
    found = tmp_path_factory.mktemp("extending")
    files = re.findall(r"[Ss]ave this as\s+`(\S*?)`.*?^```\w+\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(files) == 7
    for name, text in files:
        (found / name).write_text(text, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    (export,) = [line for line in lines() if line.startswith("export ")]
    name, _, value = export.removeprefix("export ").partition("=")
    return {**os.environ, name: value}


@pytest.fixture(scope="module")
def said(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """What each command of the page prints, in its order."""
    answers = {}
    for line in lines():
        if line.startswith("phasemap "):
            words = [sys.executable, "-m", *shlex.split(line)]
            ran = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, f"{line}\n{ran.stderr}"
            answers[line] = ran.stdout
    return answers


@pytest.mark.slow
def test_the_map_is_trained_and_judged(said: dict[str, str], folder: Path) -> None:
    (report,) = [answer.strip() for line, answer in said.items() if line.startswith("phasemap run")]
    page = (folder / report).read_text(encoding="utf-8")
    assert "Trainable up to" in page
    assert "fitted" in page
    results = [json.loads(path.read_text()) for path in (folder / "runs" / "plain" / "tiles").glob("*.json")]
    assert len(results) == 6
    assert {result["content"]["data"]["name"] for result in results} == {"two rings"}
    cells = [cell for result in results for cell in result["content"]["cells"]]
    shallow = [cell["test_accuracy"] for cell in cells if cell["parameters"]["depth"] == 2]
    assert min(shallow) > 0.8
    critical = [cell for cell in cells if cell["parameters"]["depth"] == 32 and cell["parameters"]["sigma_w"] == 1.0]
    assert max(cell["test_accuracy"] for cell in critical) < 0.7  # far beyond 16 ξ: its gradients vanish
    (status,) = [answer for line, answer in said.items() if line.startswith("phasemap status")]
    assert re.search(r"total\s+\d+\s+\d+\s+\d+\s+0\s+0\s+0", status)


@pytest.mark.slow
def test_the_figure_is_drawn(said: dict[str, str], folder: Path) -> None:
    (paths,) = [answer.split() for line, answer in said.items() if "theory figure" in line]
    assert [Path(path).suffix for path in paths] == [".png", ".pdf"]
    assert all((folder / path).stat().st_size > 1000 for path in paths)


@pytest.mark.slow
def test_they_are_listed_and_local_workers_know_them_too(folder: Path, environment: dict[str, str]) -> None:
    def called(*words: str) -> str:
        command = [sys.executable, "-m", "phasemap", *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout

    assert "plain-depth-scale" in called("list")
    small = ["--set", "steps=3", "--set", "sigma_w=[1.0, 2.0]", "--workers", "2", "--out", "local", "--quiet"]
    assert called("run", "plain.yaml", *small).strip().endswith("report.html")


def test_without_the_variable_nobody_knows_them(folder: Path) -> None:
    command = [sys.executable, "-m", "phasemap", "run", "plain.yaml", "--check"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "architecture: 'plain-mlp': expected one of" in ran.stderr
    assert "dataset: 'rings': expected one of" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_broken_extension_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.setenv("PHASEMAP_EXTENSIONS", "broken.py")
    catalogue: Catalogue[int] = Catalogue("number", {})
    with pytest.raises(InputError, match=r"'broken\.py': loading broken\.py failed: ZeroDivisionError"):
        list(catalogue)


def test_a_name_is_taken_once() -> None:
    catalogue: Catalogue[int] = Catalogue("number", {})
    catalogue.register("one", 1)
    catalogue.register("one", 1)
    with pytest.raises(ValueError, match="the number 'one' is there already"):
        catalogue.register("one", 2)
    with pytest.raises(InputError, match="unknown number 'onne'; did you mean one"):
        catalogue["onne"]
