"""No file but its own names an architecture: elsewhere there are lines of catalogues only."""

from __future__ import annotations

import re

from phasemap.train.families.catalogue import FAMILIES
from tests import ROOT

OWN = ("train/families/", "models/", "sweeps/experiments/")
LINES = re.compile(r'^\s*"[\w-]+": "[\w.]+(:\w+)?",?$')
"""A line of a catalogue."""
COMMAND = re.compile(r"theory resnet|'theory', 'resnet'|theory_resnet|errata-resnet|theory\.resnet|docs/theory-resnet")
"""`phasemap theory resnet` and its pages are called as the paper calls the networks."""


def test_architectures_are_named_in_their_own_files_only() -> None:
    name = re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, FAMILIES)) + r")(?![\w-])")
    found = []
    for room in ("theory", "models", "train", "sweeps", "src", "benchmarks"):
        for path in (ROOT / room).rglob("*"):
            file = path.relative_to(ROOT).as_posix()
            inside_link = any(part.is_symlink() for part in path.parents)
            if inside_link or path.suffix not in (".py", ".html", ".js") or file.startswith(OWN):
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if name.search(COMMAND.sub("", line)) and not LINES.match(line):
                    found.append(f"{file}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
