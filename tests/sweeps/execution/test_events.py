"""Events cross from one process to another as JSON."""

from __future__ import annotations

import json

import pytest

from phasemap.sweeps.execution.events import (
    KINDS,
    Broken,
    Busy,
    Done,
    Event,
    Failed,
    Full,
    Lost,
    Progress,
    Ready,
    Started,
    Stopped,
    from_json,
    to_json,
)
from phasemap.train.parameters import normalise
from tests.sweeps.fake_backend import fake_result

ALL: list[Event] = [
    Ready(measured=True),
    Started("k"),
    Progress("k", 0.25),
    Done("k", True, {"finished": 2}, (0.1, 0.9)),
    Done("k", False, {"dead": 1}, None),
    Busy("k"),
    Stopped("k"),
    Failed("k", "why", final=True),
    Lost("k", "why"),
    Full("k", "why"),
    Broken("why"),
]


@pytest.mark.parametrize("event", ALL)
def test_an_event_is_the_same_after_its_way_as_json(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_every_kind_is_tried_here() -> None:
    assert {type(event) for event in ALL} == set(KINDS.values())


def test_a_done_tile_says_its_outcomes_and_the_range_of_its_accuracy() -> None:
    result = fake_result(normalise({"depth": [3, 4, 95], "lr": 0.1, "steps": 10}))
    scores = [cell["test_accuracy"] for cell in result["content"]["cells"][:2]]
    event = Done.of("k", result, trained=True)
    assert event == Done("k", True, {"finished": 2, "diverged": 1}, (min(scores), max(scores)))
