"""The results of a W&B sweep, read back from its runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from phasemap.sweeps.experiments.experiment import Experiment, from_text
from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store.result import ResultError, parse
from phasemap.sweeps.wandb_bridge.access import parse_path, require_wandb
from phasemap.sweeps.wandb_bridge.log import FAILURE, RESULT
from phasemap.theory.errors import InputError
from phasemap.train.result_types import Result

ALIVE = ("running", "pending", "preempting")
LOST = ("failed", "crashed", "killed", "preempted", "finished")


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Attributes:
        parameters: of its tile; None where the run ended before it said them.
        key, result: "" and None where it has no valid result.
        problem: what is wrong with its result. failure: why it failed, if it could say so.
        handle: W&B's own.
    """

    id: str
    state: str
    parameters: dict[str, Any] | None
    key: str
    result: Result | None
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
        key, problem = "", None
        result: Result | None = None
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
    from phasemap.train.cells import cells

    experiment, runs = read_sweep(source)
    found.expect(experiment)
    for run in runs:
        if run.parameters and not run.result and run.state in LOST:
            found.failed_cells += cells(run.parameters)
        if run.problem:
            found.notes.append(f"{source}: run {run.id}: {run.problem}")
        elif run.result:
            found.add(run.key, run.result, f"{source}: run {run.id}")
