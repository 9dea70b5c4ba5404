"""The keys of results never change for the same training: those of every smoke preset, as version 0.1.0 had them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.execution.trainer import DEFAULT, trainer_named
from phasemap.sweeps.experiments.experiment import available, load

KEYS: dict[str, list[str]] = json.loads(Path(__file__).with_name("smoke_keys.json").read_text(encoding="utf-8"))


def test_every_experiment_is_held() -> None:
    assert set(KEYS) == set(available())


@pytest.mark.parametrize("name", KEYS)
def test_keys_are_those_of_the_first_version(name: str) -> None:
    planned = plan(load(name, "smoke"), at_work=["cpu"], trainer=trainer_named(DEFAULT))
    assert planned.manifest.keys == KEYS[name]
