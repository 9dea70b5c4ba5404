"""The docs name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
FUNCTIONS = {name for path in TESTS for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)}

PARAMETERS = {"test_accuracy", "test_accuracy_batch", "test_loss", "test_size"}
"""Words that begin like tests and are none."""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_tests_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`([\w/]*\btest_\w+(?:\.py)?)(?:::(\w+))?`", page.read_text())
    missing = []
    for name, function in named:
        if name.endswith(".py"):
            if not any(path.as_posix().endswith("/" + name.removeprefix("tests/")) for path in TESTS):
                missing.append(name)
        elif name not in FUNCTIONS | PARAMETERS:
            missing.append(name)
        if function and function not in FUNCTIONS:
            missing.append(function)
    assert not missing
