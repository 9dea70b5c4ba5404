"""Results of a W&B sweep, read back from the summaries of its runs."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from phasemap.sweeps.experiments.experiment import Experiment, from_text
from phasemap.sweeps.store.key import canonical
from phasemap.sweeps.store.result import ResultError, parse
from phasemap.sweeps.wandb_bridge.access import parse_path, require_wandb
from phasemap.sweeps.wandb_bridge.log import FAILURE, RESULT
from phasemap.theory.errors import InputError

if TYPE_CHECKING:
    from phasemap.sweeps.sources.results import Results
    from phasemap.sweeps.sources.status import Status

ALIVE = ("running", "pending", "preempting")
LOST = ("failed", "crashed", "killed", "preempted", "finished")


@dataclass(frozen=True)
class SweepRun:
    """One run: its tile's parameters (None where it never told them), state, and result with its key if it has a valid
    one; else why it failed, if it could say so."""

    id: str
    state: str
    parameters: dict[str, Any] | None
    key: str
    result: dict[str, Any] | None
    problem: str | None
    failure: str | None
    handle: Any


def experiment_of(source: str, config: Any) -> Experiment:
    """The experiment that a sweep was registered with. Raises InputError."""
    text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
    document = yaml.safe_load(text)
    # The server may add keys of its own; what the experiment says is among these.
    known = {key: document[key] for key in ("name", "description", "method", "metric") if key in document}
    known["parameters"] = {
        parameter: {kind: entry[kind] for kind in ("value", "values") if kind in entry}
        for parameter, entry in (document.get("parameters") or {}).items()
    }
    name = str(document.get("name") or source.rpartition("/")[2])
    return from_text(yaml.safe_dump(known, sort_keys=False), name=name, preset="of the sweep", source=source)


def read_sweep(source: str) -> tuple[Experiment, list[SweepRun]]:
    """The experiment and the runs of ``wandb:ENTITY/PROJECT/SWEEP``.

    Raises:
        InputError: W&B cannot be reached, there is no such sweep, or it is not one of ours.
    """
    entity, project, sweep = parse_path(source)
    wandb = require_wandb()
    try:
        api = wandb.Api(timeout=60)
        experiment = experiment_of(source, api.sweep(f"{entity}/{project}/{sweep}").config)
        # Not lazy: one request brings 50 runs with their summaries.
        runs = list(api.runs(f"{entity}/{project}", filters={"sweep": sweep}, lazy=False))
    except (wandb.Error, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{source}: cannot be read: {reason}") from None
    return experiment, list(_parsed(runs))


def _parsed(runs: list[Any]) -> Iterator[SweepRun]:
    from phasemap.train.parameters import SEMANTICS, TABLE, normalise

    for run in sorted(runs, key=lambda run: str(run.id)):
        config = {name: value for name, value in dict(run.config).items() if name in TABLE}
        try:
            parameters = normalise(config) if config else None
        except InputError:
            parameters = None
        key, result, problem = "", None, None
        text = run.summary.get(RESULT)
        if text is not None:
            try:
                key, result = parse(Path(str(run.id)), str(text).encode(), semantics=SEMANTICS)
                parameters = result["content"]["parameters"]
            except ResultError as error:
                problem = f"{error.kind} result: {error.reason}"
        failure = run.summary.get(FAILURE)
        yield SweepRun(str(run.id), str(run.state), parameters, key, result, problem, failure and str(failure), run)


def gather_sweep(source: str, found: Results) -> None:
    """Adds the results of a sweep to ``found``. Raises InputError if it cannot be read."""
    experiment, runs = read_sweep(source)
    from phasemap.train.parameters import cells

    found.expect(experiment)
    for run in runs:
        if run.parameters and not run.result and run.state in LOST:
            found.failed_cells += cells(run.parameters)
        if run.problem:
            found.notes.append(f"{source}: run {run.id}: {run.problem}")
        elif run.result:
            found.add(run.key, run.result, f"{source}: run {run.id}")


def status_of_sweep(source: str, *, requeue: bool = False) -> Status:
    """Tile by tile: results, tiles that failed or are missing, and duplicates.

    ``requeue`` deletes the runs of failed tiles, and those that ended before they said their tile, and resumes the
    sweep, which makes W&B hand them out again.
    """
    from phasemap.sweeps.sources.status import Status, TileStatus, tile_label
    from phasemap.sweeps.store.result import result_cells
    from phasemap.train.parameters import identity
    from phasemap.train.planning.cost import cell_count

    experiment, runs = read_sweep(source)
    by_tile: dict[str, list[SweepRun]] = {}
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
            by_tile.setdefault(canonical(identity(run.parameters)), []).append(run)
        if run.problem:
            status.problems.append(f"run {run.id}: {run.problem}")
    for tile in experiment.tiles():
        label = tile_label(tile, experiment.tile_axes)
        tried = by_tile.pop(canonical(identity(tile)), [])
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
