"""The notebook of `examples`: short, with the outputs of the code it has, and running as it is.

``python -m tests.test_notebook`` runs it and writes its outputs anew.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests import ROOT

NOTEBOOK = ROOT / "examples" / "phase_map.ipynb"
LARGEST = 100_000
"""Bytes of the file with its outputs."""


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def executed(folder: Path) -> nbformat.NotebookNode:
    """The notebook after every cell was run, in ``folder``."""
    from nbclient import NotebookClient

    client = NotebookClient(
        read(), timeout=600, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return client.execute(env=environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"})


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """What each code cell shows as text."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown: list[Any] = [
                output.get("text") or output.get("data", {}).get("text/plain") for output in cell.outputs
            ]
            found.append("\n".join(text for text in shown if text))
    return found


def pictures(notebook: nbformat.NotebookNode) -> int:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_it_is_short_and_holds_its_outputs() -> None:
    notebook = read()
    nbformat.validate(notebook)
    assert len(notebook.cells) <= 10
    assert all(texts(notebook))
    assert pictures(notebook) == 1
    assert NOTEBOOK.stat().st_size < LARGEST


def test_it_says_nothing_of_the_machine_it_was_run_on() -> None:
    source = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.:/<])/(?:home|root|tmp|work|usr|opt|Users|mnt)/", source)
    assert "stderr" not in source
    assert set(read().metadata) <= {"kernelspec", "language_info"}


@pytest.mark.slow
def test_it_runs_from_the_theory_to_the_verdict(tmp_path: Path) -> None:
    found = executed(tmp_path)
    theory, run, *_, verdict = texts(found)
    assert theory == texts(read())[0]
    assert "100%" in run
    assert pictures(found) == 1
    assert verdict.strip()
    assert (tmp_path / "runs" / "notebook" / "report.html").is_file()


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        nbformat.write(executed(Path(scratch)), NOTEBOOK)
