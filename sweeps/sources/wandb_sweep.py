"""The results of a W&B sweep, read back from its runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from phasemap.sweeps.experiments.experiment import Experiment, from_text
from phasemap.sweeps.experiments.yaml_document import read_yaml
from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store.result import ResultError, parse
from phasemap.sweeps.wandb_bridge.access import parse_path, reason_of, require_wandb
from phasemap.sweeps.wandb_bridge.log import FAILURE, RESULT
from phasemap.theory.errors import InputError
from phasemap.train.documents import LONGEST_TEXT, DocumentError, Scalar, Text, of_schema
from phasemap.train.result_types import Result

ALIVE = ("running", "pending", "preempting")
PREEMPTED = "preempted"
"""The state of a run whose machine was taken away: W&B hands its tile out again by itself."""
LOST = ("failed", "crashed", "killed", PREEMPTED, "finished")


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


@dataclass(frozen=True)
class Unreadable:
    """A run that the client cannot read, and why."""

    name: str
    reason: str


Configuration = dict[Text, Scalar | list[Scalar]]


def experiment_of(source: str, config: Any) -> Experiment:
    """The experiment that a sweep was registered with. Raises InputError."""
    try:
        # As a text: what is shared or circular in it is an alias then, and bounded as in any file.
        text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{source}: its configuration is no sweep of phasemap: {reason_of(error)}") from None
    document = read_yaml(text, source).value
    if not isinstance(document, dict) or not isinstance(document.get("parameters"), dict):
        raise InputError(f"{source}: its configuration is no sweep of phasemap: it has no parameters")
    # The server may add keys of its own; what the experiment says is among these.
    known = {key: document[key] for key in ("name", "description", "method", "metric") if document.get(key) is not None}
    known["parameters"] = {
        parameter: {kind: entry[kind] for kind in ("value", "values") if kind in entry}
        if isinstance(entry, dict)
        else entry
        for parameter, entry in document["parameters"].items()
    }
    name = known.get("name")
    experiment = from_text(
        yaml.safe_dump(known, sort_keys=False),
        name=name if isinstance(name, str) and name else source.rpartition("/")[2],
        preset="of the sweep",
        source=source,
    )
    return experiment.sound()


def read_sweep(source: str) -> tuple[Experiment, list[SweepRun]]:
    """The experiment and the runs of ``wandb:ENTITY/PROJECT/SWEEP``; what a run says wrong is its ``problem``.

    Raises:
        InputError: W&B cannot be reached, there is no such sweep, or it is not one of ours.
    """
    entity, project, sweep = parse_path(source)
    wandb = require_wandb()
    # The client raises whatever its own reading of an answer raises: TypeError, KeyError, RecursionError, …
    try:
        api = wandb.Api(timeout=60)
        config = api.sweep(f"{entity}/{project}/{sweep}").config
    except Exception as error:
        raise InputError(f"{source}: cannot be read: {reason_of(error)}") from None
    experiment = experiment_of(source, config)
    try:
        found = [_parsed(run) for run in _runs(api, f"{entity}/{project}", sweep)]
    except Exception as error:
        raise InputError(f"{source}: cannot be read: {reason_of(error)}") from None
    return experiment, sorted(found, key=lambda run: run.id)


def _runs(api: Any, project: str, sweep: str) -> Iterator[Any]:
    """The runs of a sweep. The client reads them by the page; where one of a page is beyond it, each is asked for by
    itself, and those that it still cannot read come as what it raises."""
    pages = api.runs(project, filters={"sweep": sweep}, lazy=False)  # one request brings 50 runs with their summaries
    runs = iter(pages)
    while True:
        before = getattr(pages, "last_response", None)
        try:
            yield next(runs)
        except StopIteration:
            return
        except Exception:
            answer = getattr(pages, "last_response", None)
            if answer is None or answer is before:  # there is no answer
                raise
            pages.index -= 1  # which counts the page as one run
            for name in [edge["node"]["name"] for edge in answer["project"]["runs"]["edges"]]:
                try:
                    yield api.run(f"{project}/{name}")
                except Exception as error:
                    yield Unreadable(name, reason_of(error))


def _parsed(run: Any) -> SweepRun:
    """A run as the client has read it, held against what a run of ours says."""
    from phasemap.train.parameters import SEMANTICS, TABLE, normalise

    if isinstance(run, Unreadable):
        return SweepRun(run.name, "unknown", None, "", None, f"cannot be read: {run.reason}", None, None)
    said = SweepRun(_text(run.id), _text(run.state), None, "", None, None, None, run)
    try:
        config, summary = run.config, run.summary
        text, failure = summary.get(RESULT), summary.get(FAILURE)
        given = {name: config[name] for name in config if name in TABLE}
    except Exception as error:
        return replace(said, problem=f"cannot be read: {reason_of(error)}")
    if isinstance(failure, str):
        said = replace(said, failure=_text(failure))
    try:
        if given:
            said = replace(said, parameters=normalise(of_schema(given, Configuration)))
    except (DocumentError, InputError) as error:
        said = replace(said, problem=f"its configuration: {reason_of(error)}")
    if text is None:
        return said
    if not isinstance(text, str):
        return replace(said, problem=f"foreign result: expected a text, got {type(text).__name__}")
    try:
        key, result = parse(Path(said.id), text, semantics=SEMANTICS)
    except ResultError as error:
        return replace(said, problem=f"{error.kind} result: {error.reason}")
    return replace(said, parameters=result["content"]["parameters"], key=key, result=result, problem=None)


def _text(said: Any) -> str:
    """A text of W&B's as one line."""
    line = " ".join(str(said)[:LONGEST_TEXT].split())
    return line.encode(errors="backslashreplace").decode()


def gather_sweep(source: str, found: Results) -> None:
    """Adds the results of a sweep to ``found``. Raises InputError if it cannot be read."""
    from phasemap.train.cells import cells, same_training

    experiment, runs = read_sweep(source)
    found.expect(experiment)
    tiles = {same_training(tile): tile for tile in experiment.tiles()}
    for run in runs:
        if run.parameters and not run.result and run.state in LOST and run.state != PREEMPTED:
            tile = tiles.get(same_training(run.parameters))
            found.failed_cells += cells(tile) if tile else []
        if run.problem:
            found.notes.append(f"{source}: run {run.id}: {run.problem}")
        elif run.result:
            found.add(run.key, run.result, f"{source}: run {run.id}")
