"""Where results come from: output folders and W&B sweeps, merged without double counting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store import gc_pause as garbage
from phasemap.sweeps.store.folder import Folder
from phasemap.theory.errors import InputError

WANDB = "wandb:"


@garbage.kept()
def gather(sources: Sequence[str]) -> Results:
    """The results of folders and ``wandb:ENTITY/PROJECT/SWEEP`` sources.

    Raises:
        InputError: one line for every source that cannot be read.
    """
    found = Results()
    mistakes: list[str] = []
    for source in sources:
        try:
            if source.startswith(WANDB):
                from phasemap.sweeps.sources.wandb_sweep import gather_sweep

                gather_sweep(source, found)
            else:
                _gather_folder(Path(source), found)
        except InputError as error:
            mistakes.extend(error.messages)
    if mistakes:
        raise InputError(*mistakes)
    return found


def _gather_folder(path: Path, found: Results) -> None:
    from phasemap.train.parameters import SEMANTICS, cells

    folder = Folder(path)
    if not folder.exists():
        raise InputError(f"{path}: there are no results of phasemap")
    expected = None
    semantics = SEMANTICS
    if (path / "manifest.json").is_file():  # a folder of `phasemap train` has none
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
