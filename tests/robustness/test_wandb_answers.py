"""What a W&B server may answer: whatever a sweep or a run says, it is told and not counted; the other runs count."""

from __future__ import annotations

import csv
import io
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.sources import wandb_sweep
from phasemap.sweeps.sources.gather import gather
from phasemap.sweeps.sources.status import of
from phasemap.sweeps.store.cell_table import to_csv
from phasemap.sweeps.store.result import stamped
from phasemap.sweeps.wandb_bridge.log import FAILURE, RESULT
from phasemap.theory.errors import InputError
from tests.robustness.hostile import LITERALS, changed, damaged, spelt
from tests.robustness.test_folders import restamped, with_series
from tests.robustness.test_yaml import limited
from tests.sweeps.fake_backend import FAKE, fake_result
from tests.sweeps.runs import write_experiment
from tests.sweeps.wandb_bridge.wandb_server import ENTITY, Run, Sweep, WandbServer

SOURCE = f"wandb:{ENTITY}/phasemap/s"
SEEDS, MANY, WITH_THE_CLIENT = 200, 4000, 250
TILES, CELLS, SECONDS = 3, 4, 10


@dataclass
class Answer:
    """What the server says of one run: its attributes, config and summary as JSON texts."""

    id: Any
    state: Any = "finished"
    texts: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Answer]]:
    """A sweep's configuration, and its runs: two with results and one that failed."""
    planned = plan(
        load(str(write_experiment(tmp_path_factory.mktemp("sweep") / "mine.yaml", TILES))),
        at_work=["cpu"],
        trainer=FAKE,
    )
    runs = []
    for name, tile in zip("abc", planned.tiles, strict=True):
        config = {key: {"value": value} for key, value in tile.parameters.items()}
        result = json.dumps(stamped(tile.key, with_series(fake_result(dict(tile.parameters)))))
        summary = {RESULT: result, "test_accuracy": 0.5} if name != "c" else {FAILURE: "ValueError: out of luck"}
        state = "finished" if name != "c" else "failed"
        runs.append(Answer(name, state, {"config": json.dumps(config), "summaryMetrics": json.dumps(summary)}))
    return yaml.safe_dump(dict(planned.experiment.document)), runs


def spoil(config: str, runs: list[Answer], rng: random.Random) -> tuple[str, list[Answer], str]:
    """The configuration and the runs with one thing changed; and what it is of."""
    runs = [Answer(run.id, run.state, dict(run.texts)) for run in runs]
    run = rng.choice(runs[:2])
    summary = json.loads(run.texts["summaryMetrics"])
    match rng.randrange(10):
        case 0 | 1:
            if rng.random() < 0.7:
                config = spelt(*changed(yaml.safe_load(config), rng))
            else:
                config = damaged(config.encode(), rng).decode("utf-8", "replace")
            return config, runs, "sweep"
        case 2:
            run.texts["config"] = damaged(run.texts["config"].encode(), rng).decode("utf-8", "surrogateescape")
        case 3 | 4:
            run.texts["config"] = spelt(*changed(json.loads(run.texts["config"]), rng))
        case 5:
            run.texts["summaryMetrics"] = spelt(*changed(summary, rng))
        case 6 | 7:
            result = json.loads(summary[RESULT])
            summary[RESULT] = restamped(*changed(result, rng))
            run.texts["summaryMetrics"] = json.dumps(summary)
        case 8:
            summary[RESULT] = damaged(summary[RESULT].encode(), rng).decode("utf-8", "replace")
            run.texts["summaryMetrics"] = json.dumps(summary)
        case _:
            if rng.random() < 0.5:
                run.state = rng.choice(["", "x", "running", "crashed", "\x1b[2J", "y" * 30_000, "\n"])
            else:
                summary[rng.choice([RESULT, FAILURE])] = "<<here>>"
                run.texts["summaryMetrics"] = spelt(summary, rng.choice(LITERALS))
    return config, runs, run.id


def wrong_with(what: str) -> list[str]:
    """What does not hold of a status and an export of the sweep."""
    with limited(SECONDS):
        try:
            said = of(SOURCE)
            text = said.text()
            table = to_csv(gather([SOURCE]).contents)
        except InputError as error:
            whole = all(message.startswith(SOURCE) and "\n" not in message for message in error.messages)
            return [] if whole and what == "sweep" else [f"refused: {error.messages[0][:300]}"]
    counted = sum(said.cells[state] for state in ("finished", "diverged", "dead"))
    found = [] if what == "sweep" or CELLS <= counted <= 2 * CELLS else [f"{counted} cells are counted"]
    found += [] if len(max(text.splitlines(), key=len)) < 15_000 else ["a line without end"]
    for row in csv.DictReader(io.StringIO(table)):
        good = row["outcome"] in ("finished", "diverged", "dead")
        good &= all(0 <= float(value) <= 1 for name, value in row.items() if "accuracy" in name and value)
        found += [] if good else [f"a row of no valid cell: {row}"]
    return found


class Client:
    """W&B's client as far as a sweep is read with it: texts become what they say, or the page cannot be read."""

    def __init__(self, config: str, runs: list[Answer]) -> None:
        self.config, self.answers = config, {run.id: run for run in runs}

    def sweep(self, _path: str) -> Any:
        return SimpleNamespace(config=yaml.load(self.config, Loader=yaml.CSafeLoader))

    def runs(self, _project: str, **_options: Any) -> Any:
        return Pages([lambda run=run: self._run(run) for run in self.answers.values()], list(self.answers))

    def run(self, path: str) -> Any:
        return self._run(self.answers[path.rpartition("/")[2]])

    def _run(self, run: Answer) -> Any:
        config, summary = (json.loads(run.texts[name]) for name in ("config", "summaryMetrics"))
        config = {key: value.get("value", value) for key, value in config.items()}
        return SimpleNamespace(id=run.id, state=run.state, config=config, summary=summary)


class Pages:
    """One page of runs, which are read together."""

    last_response: Any = None
    index = -1

    def __init__(self, makers: list[Any], names: list[str]) -> None:
        self.makers, self.names, self.made = makers, names, []

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.index += 1
        if self.last_response is None:
            edges = [{"node": {"name": name}} for name in self.names]
            self.last_response = {"project": {"runs": {"edges": edges}}}
            self.made = [make() for make in self.makers]
        if self.index >= len(self.made):
            raise StopIteration
        return self.made[self.index]


def try_one(sweep: tuple[str, list[Answer]], seed: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    config, runs, what = spoil(*sweep, random.Random(seed))
    api = SimpleNamespace(Api=lambda **_: Client(config, runs))
    monkeypatch.setattr(wandb_sweep, "require_wandb", lambda: api)
    try:
        return [f"seed {seed}, {what}: {one}" for one in wrong_with(what)]
    except BaseException as error:
        return [f"seed {seed}, {what}: {type(error).__name__}: {error}"[:1000]]


def test_a_hostile_answer_is_said_and_not_counted(
    sweep: tuple[str, list[Answer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = [message for seed in range(SEEDS) for message in try_one(sweep, seed, monkeypatch)]
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.slow
def test_hostile_answers_by_the_thousand(sweep: tuple[str, list[Answer]], monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [message for seed in range(SEEDS, MANY) for message in try_one(sweep, seed, monkeypatch)]
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.slow
def test_hostile_answers_through_the_client(
    sweep: tuple[str, list[Answer]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with W&B's own client and a server."""
    wandb = pytest.importorskip("wandb")
    server = WandbServer()
    for name, value in {**server.environment(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    answers: dict[str, Answer] = {}
    document = Run.document
    monkeypatch.setattr(
        Run, "document", lambda run: {**document(run), **answers[run.name].texts, "state": answers[run.name].state}
    )
    wrong = []
    for seed in range(WITH_THE_CLIENT):
        config, runs, what = spoil(*sweep, random.Random(seed))
        monkeypatch.setattr(Sweep, "grid", lambda _: [])
        server.sweeps["s"] = Sweep("s", "phasemap", config)
        server.runs = {run.id: Run(run.id, "phasemap", "s") for run in runs}
        answers.clear()
        answers.update({run.id: run for run in runs})
        try:
            wrong += [f"seed {seed}, {what}: {one}" for one in wrong_with(what)]
        except BaseException as error:
            wrong.append(f"seed {seed}, {what}: {type(error).__name__}: {error}"[:1000])
    wandb.teardown()
    server.stop()
    assert not wrong, "\n".join(wrong[:20])
    assert os.environ["WANDB_BASE_URL"].startswith("http://127.0.0.1")
