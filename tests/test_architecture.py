"""docs/architecture.md names files and functions that are there."""

from __future__ import annotations

import ast
import re

import pytest

from tests import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:theory|models|train|sweeps|tests|src)/[\w/.-]+)(?::(\w+))?`", PAGE)))


def test_the_walk_has_at_most_twelve_stations() -> None:
    walk = PAGE.partition("## One parameter's way")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"^(\d+)\. ", walk, re.MULTILINE)] == list(range(1, 13))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_is_named_is_there(file: str, name: str) -> None:
    path = ROOT / file
    assert path.exists()
    if name:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
