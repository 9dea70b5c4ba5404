"""torchvision is imported beside a torch that its compiled operators do not fit, and left alone beside one they fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

OWN_OPERATORS = """
import torch
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
LOOKS_THEM_UP = """
import torch
torch.library.register_fake("torchvision::nms")(lambda *arguments: None)
ready = True
"""
SRC = ROOT / "src"
BROKEN, ABSENT = "raise RuntimeError('no driver')", "raise ImportError('not here')"


def ensured(tmp_path: Path, package: str, then: str) -> str:
    """What a process prints that calls ``ensure`` beside a torchvision of this code."""
    folder = tmp_path / "torchvision"
    folder.mkdir()
    (folder / "__init__.py").write_text(package)
    code = f"import sys; sys.path[:0] = {[str(tmp_path), str(SRC)]!r};"
    code += " from phasemap.train.compat import torchvision_import as t;"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code} t.ensure(); t.ensure(); {then}"], capture_output=True, text=True, cwd=tmp_path
    )
    return ran.stdout.strip() or ran.stderr.strip()


def test_operators_that_load_are_torchvisions_own(tmp_path: Path) -> None:
    """A second declaration of the same operator would end the process."""
    loads = OWN_OPERATORS + LOOKS_THEM_UP
    assert ensured(tmp_path, loads, "import torchvision; print(torchvision.ready, t._libraries)") == "True []"


def test_operators_that_do_not_load_are_declared(tmp_path: Path) -> None:
    assert ensured(tmp_path, LOOKS_THEM_UP, "import torchvision; print(torchvision.ready)") == "True"


@pytest.mark.parametrize(("package", "said"), [(BROKEN, "no driver"), (ABSENT, "not here")])
def test_another_failure_is_left_to_who_imports_it(tmp_path: Path, package: str, said: str) -> None:
    text = ensured(tmp_path, package, "print('quiet so far', file=sys.stderr); import torchvision")
    assert text.startswith("quiet so far")
    assert said in text
