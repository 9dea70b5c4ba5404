"""No file but its own names an architecture: elsewhere there are lines of catalogues only."""

from __future__ import annotations

import re

from phasemap.train.families.catalogue import FAMILIES
from tests import ROOT

OWN = ("train/families/", "models/", "sweeps/experiments/")
LINES = re.compile(r'^\s*"[\w-]+": "[\w.]+(:\w+)?",?$')
"""A line of a catalogue."""
COMMAND = re.compile(r"theory[ ._](resnet|mlp)|'theory', '(resnet|mlp)'|errata-resnet|docs/theory-(resnet|mlp)")
"""`phasemap theory resnet` and its pages are called as the paper calls the networks."""


def test_architectures_are_named_in_their_own_files_only() -> None:
    theories = {path.name for path in (ROOT / "theory").iterdir()}
    found = []
    for room in ("theory", "models", "train", "sweeps", "src", "benchmarks"):
        # a theory may be called as its networks, and is at home in its own room
        names = [name for name in FAMILIES if room != "theory" or name not in theories]
        name = re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, names)) + r")(?![\w-])")
        for path in (ROOT / room).rglob("*"):
            file = path.relative_to(ROOT).as_posix()
            inside_link = any(part.is_symlink() for part in path.parents)
            if inside_link or path.suffix not in (".py", ".html", ".js") or file.startswith(OWN):
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if name.search(COMMAND.sub("", line)) and not LINES.match(line):
                    found.append(f"{file}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
