"""``phasemap status``: which cells are finished, diverged, dead, missing, failed or being trained, tile by tile."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from phasemap.sweeps.sources.folder import existing
from phasemap.sweeps.sources.names import is_sweep
from phasemap.sweeps.sources.sweep_status import status_of_sweep
from phasemap.sweeps.sources.tile_status import Status, TileStatus, tile_label
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.gc_pause import kept
from phasemap.sweeps.store.result import result_cells


def of(source: str, *, requeue: bool = False) -> Status:
    """The status of an output folder or of ``wandb:ENTITY/PROJECT/SWEEP``; ``requeue`` frees what has failed.

    Raises:
        InputError: there is no such thing.
    """
    if is_sweep(source):
        return status_of_sweep(source, requeue=requeue)
    if requeue:
        folder = Folder(Path(source))
        folder.unmark_failed(folder.failures())
    return of_folder(Path(source))


@kept()
def of_folder(path: Path) -> Status:
    """The status of an output folder. Raises InputError if it holds no experiment."""
    from phasemap.train.parameters import SEMANTICS
    from phasemap.train.planning.cost import cell_count

    folder = existing(path)
    if not folder.has_experiment():
        return _single_tiles(folder)
    manifest, experiment = folder.manifest(), folder.experiment()
    scan = folder.scan(max(SEMANTICS, manifest.semantics), manifest.keys)
    unusable = {problem.path.stem: problem.kind for problem in scan.problems}
    running, failures = folder.running(), folder.failures()
    status = Status(f"{experiment.title}: {path}")
    status.problems = [str(problem) for problem in scan.problems]
    for key, raw in zip(manifest.keys, experiment.raw_tiles(), strict=True):
        note = f"{unusable[key]} result file" if key in unusable else ""
        if key in scan.results:
            cells = result_cells(scan.results[key])
        else:
            state = "running" if key in running else "failed" if key in failures else "missing"
            cells = Counter({state: cell_count(raw)})
            if state == "failed":
                note = f"{failures[key]['reason']}; see {failures[key]['log']}"
            elif state == "missing" and folder.checkpoint_file(key).exists():
                note = "stopped part-way and saved"
        status.tiles.append(TileStatus(tile_label(raw, experiment.tile_axes), cells, note))
    return status


def _single_tiles(folder: Folder) -> Status:
    """The status of a folder of `phasemap train`, where nothing says which tiles are wanted."""
    from phasemap.train.parameters import SEMANTICS

    scan = folder.scan(SEMANTICS)
    tiles = [TileStatus(key[:8], result_cells(result)) for key, result in scan.results.items()]
    return Status(f"single tiles: {folder.path}", tiles, [str(problem) for problem in scan.problems])
