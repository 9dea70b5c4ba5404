"""Where a W&B sweep stands: results, tiles that failed or are missing, and duplicates."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import partial

from phasemap.sweeps.sources.tile_status import Status, TileStatus, tile_label
from phasemap.sweeps.sources.wandb_sweep import ALIVE, LOST, PREEMPTED, SweepRun, read_sweep
from phasemap.sweeps.store.result import result_cells
from phasemap.sweeps.wandb_bridge.access import parse_path, reason_of

DIED = ("crashed", "killed")
"""States of a run that ended without a word: W&B has heard nothing of it for minutes."""
REQUEUED = "requeued"


def status_of_sweep(source: str, *, requeue: bool = False) -> Status:
    """Tile by tile: results, tiles that failed or are missing, and duplicates.

    ``requeue`` deletes the runs of failed tiles, and those that ended before they said their tile, and resumes the
    sweep, which makes W&B hand them out again.
    """
    from phasemap.train.cells import same_training
    from phasemap.train.planning.cost import cell_count

    experiment, runs = read_sweep(source)
    by_tile: dict[Hashable, list[SweepRun]] = {}
    requeued, died = False, []
    status = Status(f"{experiment.name}: {source}", experiment=experiment)
    for run in runs:
        if run.parameters is None:
            free = requeue and run.state in LOST
            note = ""
            if free and run.handle is not None:
                note = f"; {_deleted([run])}"
                requeued = True
            died += [run] if run.state in DIED and run.handle is not None else []
            status.problems.append(f"run {run.id} ({run.state}): {run.problem or 'does not say its tile'}{note}")
            continue
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
            failed = [run for run in lost if run.state != PREEMPTED]
            state = "running" if alive else "failed" if failed else "missing"
            cells = Counter({state: cell_count(tile)})
            notes += [f"run {run.id} {run.state}{_why(run)}" for run in lost]
            died += [run for run in lost if run.state in DIED and not run.failure and not alive]
            if requeue and failed and not alive:
                notes.append(_deleted(failed))
                requeued = True
        status.tiles.append(TileStatus(label, cells, "; ".join(notes)))
    status.problems += [f"run {run.id}: no tile of this sweep" for rest in by_tile.values() for run in rest]
    status.free_died = partial(_free, source, died)
    if requeued and not _resumed(source):
        status.problems.append("the sweep could not be resumed; wandb sweep --resume does it")
    return status


def _why(run: SweepRun) -> str:
    """What is known of why the run has no result."""
    if run.state == PREEMPTED:
        return ", handed out again"
    return f": {run.failure}" if run.failure else ""


def _free(source: str, runs: Sequence[SweepRun]) -> int:
    freed = [run for run in runs if _deleted([run]) == REQUEUED]
    return len(freed) if not freed or _resumed(source) else 0


def _resumed(source: str) -> bool:
    """Has W&B hand out again what has no run any more; whether it does."""
    resume = [sys.executable, "-m", "wandb", "sweep", "--resume", "/".join(parse_path(source))]
    return subprocess.run(resume, capture_output=True, check=False).returncode == 0


def _deleted(runs: Sequence[SweepRun]) -> str:
    """Deletes runs, and says how that went."""
    try:
        for run in runs:
            run.handle.delete()
    except Exception as error:  # the client raises whatever an answer makes it raise
        return f"could not be requeued: {reason_of(error)}"
    return REQUEUED
