"""What W&B's agents would start: only a command that trains each tile as it is written is registered."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.experiments.arguments import raw_parameters
from phasemap.sweeps.wandb_bridge.agent_command import COMMAND, wrong_command
from phasemap.sweeps.wandb_bridge.register import register
from phasemap.theory.errors import InputError
from phasemap.train.parameters import normalise

RAW: dict[str, Any] = {
    "depth": [2, 3],
    "batch_size": 8,
    "lr": "1e-2",
    "steps": 5,
    "train_bn": False,
    "train_size": None,
}


def wrong(program: str, *command: str, **changes: Any) -> str | None:
    raw = {**RAW, **changes}
    return wrong_command(program, command, [raw], [normalise(raw)])


@pytest.mark.parametrize(
    "command",
    [
        COMMAND,
        ("${env}", "${program}", "train", "${args}"),
        ("${program}", "train", "${args_no_equals}"),
        ("${env}", "${program}", "train", "${args_json_file}"),
        ("${env}", "X=1", "${program}", "train", "--out", "runs/x", "--device=cpu", "${args_json}"),
        ("${env}", "${interpreter}", "-m", "phasemap", "train", "${args_json}"),
        ("srun", "-n1", "${envvar:NOWHERE}", "${program}", "train", "${args_json}"),
    ],
)
def test_commands_that_train_the_tile(command: tuple[str, ...]) -> None:
    assert wrong("phasemap", *command) is None
    assert wrong("/opt/env/bin/phasemap", *command) is None


@pytest.mark.parametrize(
    ("program", "command", "reason"),
    [
        (
            "phasemap",
            ("${env}", "${program}", "train"),
            "command: '${env} ${program} train': does not hand the parameters",
        ),
        (
            "phasemap",
            ("${env}", "${program}", "train", "${arg}"),
            "command: ${arg}: W&B's agents put nothing in its place",
        ),
        ("train.py", COMMAND, "program, command: agents would start '/usr/bin/env train.py train {"),
        (
            "phasemap",
            ("${env}", "${interpreter}", "${program}", "train", "${args_json}"),
            "program, command: agents would",
        ),
        ("phasemap", ("${env}", "${program}", "run", "${args_json}"), "program, command: agents would start"),
        ("phasemap", ("${env}", "python", "mine.py", "${args}"), "program, command: agents would start"),
        ("phasemap", ("${program}", "train", "${args_no_boolean_flags}"), "command: agents would start"),
        ("phasemap", ("${program}", "train", "${args_no_hyphens}"), "command: agents would start"),
        ("phasemap", ("${program}", "train", "--width=3", "${args}"), "command: agents would start"),
    ],
)
def test_commands_that_would_not(program: str, command: tuple[str, ...], reason: str) -> None:
    said = wrong(program, *command)
    assert said is not None
    assert said.startswith(reason)
    assert "\n" not in said


def test_booleans_that_are_flags_are_lost() -> None:
    said = wrong("phasemap", "${program}", "train", "${args_no_boolean_flags}")
    assert said is not None
    assert "where train_bn is True and not False; ${args_json} hands it over as it is" in said


def test_nothing_is_registered_that_agents_could_not_run(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "program: train.py\nmethod: grid\nparameters: {lr: {value: 1}, steps: {value: 3}, width: {values: [4, 5]}}"
    )
    with pytest.raises(
        InputError, match=r"mine.yaml: program, command: agents would start '/usr/bin/env train.py train"
    ):
        register(str(file), preset="paper")


def test_the_arguments_of_a_tile(tmp_path: Path) -> None:
    file = tmp_path / "config-abc.json"
    file.write_text(json.dumps({"depth": [2, 3], "lr": 0.1}))
    assert raw_parameters([str(file), "--train-size", "9", "--steps=5", '{"width": 4}']) == {
        "depth": [2, 3],
        "lr": 0.1,
        "train_size": "9",
        "steps": "5",
        "width": 4,
    }
    os.mkfifo(tmp_path / "pipe.json")
    for argument, reason in (
        ("{", "'{': not a JSON object of parameters: it is not whole JSON"),
        ('{"lr": NaN}', "NaN is no number in JSON"),
        ('{"depth": [[1]]}', "depth: [0]: expected"),
        ('{"depth": ' + "[" * 9000, "nested too deep"),
        (str(tmp_path / "none.json"), "cannot be read: No such file"),
        (str(tmp_path / "pipe.json"), "it is no regular file"),
        ("[1]", "'[1]': expected --key value"),
    ):
        with pytest.raises(InputError) as caught:
            raw_parameters([argument])
        assert reason in caught.value.messages[0]
