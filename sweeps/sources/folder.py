"""The results of an output folder."""

from __future__ import annotations

from pathlib import Path

from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store.folder import Folder
from phasemap.theory.errors import InputError


def existing(path: Path) -> Folder:
    """The output folder at ``path``. Raises InputError if there is none."""
    folder = Folder(path)
    if not folder.exists():
        raise InputError(f"{path}: there are no results of phasemap")
    return folder


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
