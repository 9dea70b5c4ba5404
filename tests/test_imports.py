"""Imports go down the house only: one table holds the order of the rooms, and what is read is the source itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

ORDER = (
    # theory: no torch, no drawing, no command line
    "theory.letters",
    "theory.plural",
    "theory.shown",
    "theory.errors",
    "theory.ranges",
    "theory.lazy",
    "theory.guard",
    "theory.trust",
    "theory.user_code",
    "theory.catalogue",
    "theory.elementwise",
    "theory.activations",
    "theory.arguments",
    "theory.homogeneous",
    "theory.parameter_search",
    "theory.integrals",
    "theory.batchnorm.moments",
    "theory.batchnorm.whole_batch",
    "theory.batchnorm",
    "theory.batchnorm.spectra",
    "theory.batchnorm.cross_checks",
    "theory.residual",
    "theory.residual.growth_laws",
    "theory.mlp",
    "theory.learning_rate",
    "theory.tables",
    # models: stacks and sampled networks
    "models",
    "models.sampling",
    # train: one tile
    "train.documents",
    "train.result_types",
    "train.provenance",
    "train.redaction",
    "train.whole_file",
    "train.compat",
    "train.machine",
    "train.data",
    "train.parameter_rows",
    "train.engine",
    "train.families",
    "train.presentation",
    "train.parameters",
    "train.cells",
    "train.planning",
    "train.probe.autograd",
    "train.probe.theories",
    "train.probe",
    "train.monitors",
    "train.tile",
    "train.bench",
    "train.bench.methods",
    # sweeps: grids of tiles
    "sweeps.glossary",
    "sweeps.experiments",
    "sweeps.store",
    "sweeps.phase_map",
    "sweeps.wandb_bridge",
    "sweeps.sources",
    "sweeps.overlays",
    "sweeps.verdict",
    "sweeps.verdict.claims",
    "sweeps.annotated",
    "sweeps.comparison",
    "sweeps.advice",
    "sweeps.advice.plain_networks",
    "sweeps.slurm",
    "sweeps.figures",
    "sweeps.figures.maps",
    "sweeps.figures.theory_only",
    "sweeps.figures.trained",
    "sweeps.report",
    "sweeps.progress",
    "sweeps.execution",
    "sweeps.execution.local",
    "sweeps.execution.agents",
    "sweeps.probing",
    "sweeps.commands",
    "notebook",
    "front_door",
    "command_line",
    "__main__",
)
"""From the bottom to the top. A room is a folder; a file directly in `theory` or `train` stands for itself."""
NEVER = {"theory": {"torch", "pytorch_lightning", "matplotlib", "typer", "xarray"}, "sweeps.overlays": {"matplotlib"}}
"""Packages that a room must not import."""
LARGEST_ROOM, LARGEST_FILE = 1500, 400


def sources() -> dict[str, Path]:
    """Every module by its name below ``phasemap``; a package's own ``__init__`` has the package's name."""
    found = {}
    for top in ("theory", "models", "train", "sweeps", "src/phasemap"):
        for path in (ROOT / top).rglob("*.py"):
            if not any(part.is_symlink() for part in path.parents):
                parts = path.relative_to(ROOT / "src/phasemap" if top.startswith("src") else ROOT).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SOURCES = sources()
PACKAGES = {name for name, path in SOURCES.items() if path.name == "__init__.py"}


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """What a file imports of the project, at its head or within a function; and from which line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "phasemap":
            module = (node.module or "").partition(".")[2]
            for alias in node.names:
                full = f"{module}.{alias.name}".lstrip(".")
                yield (full if full in SOURCES else module), node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("phasemap."):
                    yield alias.name.partition(".")[2], node.lineno


def place(module: str) -> int:
    """The place of a module's room in the table."""
    name = module
    while name and name not in ORDER:
        name = name.rpartition(".")[0]
    assert name, f"{module}: its room is not in the table of tests/test_imports.py"
    return ORDER.index(name)


FILES = sorted(name for name in SOURCES if name not in PACKAGES)


@pytest.mark.parametrize("top", ["theory", "models", "train", "sweeps", "command_line"])
def test_no_import_goes_up(top: str) -> None:
    wrong = [
        f"{SOURCES[module].relative_to(ROOT)}:{line} imports {target}"
        for module in FILES
        if module.split(".")[0] == top
        for target, line in imported(SOURCES[module])
        if place(target) > place(module)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circle() -> None:
    graph = {module: {target for target, _ in imported(SOURCES[module])} - {module} for module in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_nothing_imports_what_a_package_shows_to_users() -> None:
    """`from phasemap.theory.batchnorm import depth_scale` is for you; the house names the file."""
    wrong = [
        f"{module}:{line} imports {target}"
        for module in FILES
        for target, line in imported(SOURCES[module])
        if target in PACKAGES
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", NEVER)
def test_foreign_packages_stay_out(room: str) -> None:
    for module in FILES:
        if f"{module}.".startswith(f"{room}."):
            for name in NEVER[room]:
                found = re.search(rf"^\s*(from|import) {name}\b.*", SOURCES[module].read_text(), re.MULTILINE)
                assert found is None, f"{module}: {found and found[0]}"


def test_rooms_say_what_is_in_them_and_are_not_too_large() -> None:
    lines: dict[str, int] = {}
    for module, path in SOURCES.items():
        count = len(path.read_text(encoding="utf-8").splitlines())
        assert count <= LARGEST_FILE, f"{module} has {count} lines"
        room = module if module in PACKAGES else module.rpartition(".")[0]
        lines[room] = lines.get(room, 0) + count
    assert max(lines.values()) <= LARGEST_ROOM, max(lines.items(), key=lambda entry: entry[1])
    for room in PACKAGES:
        assert ast.get_docstring(ast.parse(SOURCES[room].read_text(encoding="utf-8"))), f"{room} says nothing of itself"
        assert room in ORDER or room in ("", "theory", "train", "sweeps"), f"{room} is not in the table"


def test_no_file_lies_flat_in_sweeps() -> None:
    assert [path.name for path in (ROOT / "sweeps").glob("*.py")] == ["__init__.py"]
