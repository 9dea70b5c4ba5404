"""Where a W&B sweep stands: results, tiles that failed or are missing, and duplicates."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Hashable

from phasemap.sweeps.sources.tile_status import Status, TileStatus, tile_label
from phasemap.sweeps.sources.wandb_sweep import ALIVE, LOST, SweepRun, read_sweep
from phasemap.sweeps.store.result import result_cells
from phasemap.sweeps.wandb_bridge.access import parse_path


def status_of_sweep(source: str, *, requeue: bool = False) -> Status:
    """Tile by tile: results, tiles that failed or are missing, and duplicates.

    ``requeue`` deletes the runs of failed tiles, and those that ended before they said their tile, and resumes the
    sweep, which makes W&B hand them out again.
    """
    from phasemap.train.cells import same_training
    from phasemap.train.planning.cost import cell_count

    experiment, runs = read_sweep(source)
    by_tile: dict[Hashable, list[SweepRun]] = {}
    requeued = False
    status = Status(f"{experiment.name}: {source}")
    for run in runs:
        if run.parameters is None:
            free = requeue and run.state in LOST
            note = "; requeued" if free else ""
            status.problems.append(f"run {run.id} ({run.state}): does not say its tile{note}")
            if free:
                run.handle.delete()
                requeued = True
        else:
            by_tile.setdefault(same_training(run.parameters), []).append(run)
        if run.problem:
            status.problems.append(f"run {run.id}: {run.problem}")
    for tile in experiment.tiles():
        label = tile_label(tile, experiment.tile_axes)
        tried = by_tile.pop(same_training(tile), [])
        done = [run for run in tried if run.result]
        alive = [run for run in tried if not run.result and run.state in ALIVE]
        lost = [run for run in tried if not run.result and run.state in LOST]
        notes = [f"{len(done)} runs, counted once"] if len(done) > 1 else []
        if done and done[0].result:
            cells = result_cells(done[0].result)
        else:
            state = "running" if alive else "failed" if lost else "missing"
            cells = Counter({state: cell_count(tile)})
            notes += [f"run {run.id} {run.state}" + (f": {run.failure}" if run.failure else "") for run in lost]
            if requeue and lost and not alive:
                for run in lost:
                    run.handle.delete()
                notes.append("requeued")
                requeued = True
        status.tiles.append(TileStatus(label, cells, "; ".join(notes)))
    status.problems += [f"run {run.id}: no tile of this sweep" for rest in by_tile.values() for run in rest]
    if requeued:
        resume = [sys.executable, "-m", "wandb", "sweep", "--resume", "/".join(parse_path(source))]
        if subprocess.run(resume, capture_output=True, check=False).returncode:
            status.problems.append("the sweep could not be resumed; wandb sweep --resume does it")
    return status
