"""The results of an output folder."""

from __future__ import annotations

import os
from pathlib import Path

from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store.folder import Folder
from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted

LISTED = 3
"""Folders that a message names."""


def existing(path: Path) -> Folder:
    """The output folder at ``path``. Raises InputError if there is none, with what is there."""
    folder = Folder(path)
    if folder.exists():
        return folder
    if not os.path.lexists(path):
        raise InputError(f"{path}: there is no such folder")
    if not path.is_dir():
        raise InputError(f"{path}: is no folder; expected the output folder of a run")
    if within := _runs_within(path):
        named = ", ".join(str(path / name) for name in within[:LISTED]) + (" …" if len(within) > LISTED else "")
        raise InputError(
            f"{path}: there are no results of phasemap, but {counted(len(within), 'folder')} of them below: {named};"
            f" phasemap report {path} --index makes a page over their reports"
        )
    raise InputError(f"{path}: there are no results of phasemap")


def _runs_within(path: Path) -> list[str]:
    """The output folders that lie in a folder, by name; none where it may not be read."""
    try:
        return sorted(one.name for one in path.iterdir() if one.is_dir() and Folder(one).exists())
    except OSError:
        return []


def gather_folder(path: Path, found: Results) -> None:
    """Adds the results of a folder to ``found``. Raises InputError if it cannot be read."""
    from phasemap.train.cells import cells
    from phasemap.train.parameters import SEMANTICS

    folder = existing(path)
    expected = None
    semantics = SEMANTICS
    if folder.has_experiment():
        manifest = folder.manifest()
        expected, semantics = manifest.keys, max(manifest.semantics, SEMANTICS)
        experiment, failures = folder.experiment(), folder.failures()
        found.expect(experiment)
        tiles = zip(manifest.keys, experiment.tiles(), strict=True)
        found.failed_cells += [cell for key, tile in tiles if key in failures for cell in cells(tile)]
    scan = folder.scan(semantics, expected)
    found.notes += [f"{path}: {problem}" for problem in scan.problems]
    for key, result in scan.results.items():
        found.add(key, result, str(path))
