"""A commented experiment file to begin an own one with: the quick grid of a family's first built-in experiment."""

from __future__ import annotations

from typing import Any

import yaml

from phasemap.sweeps.experiments.experiment import Experiment, available, load
from phasemap.theory.errors import InputError
from phasemap.train.families.catalogue import DEFAULT, FAMILIES
from phasemap.train.parameters import TABLE, own_names, references

PRESET = "quick"
LEFT_OUT = ("experiment",)
"""Parameters that name the built-in experiment."""
HEAD = """\
# {title}
#
#   phasemap run {file} --check    says cells, tiles, cost, and every mistake
#   phasemap run {file}            trains, and draws the report
#   phasemap sweep {file}          registers the same as a W&B sweep
#
# values: [...] makes one tile, a process's job and a W&B run, for each value. A list under value: is a stacked axis:
# its networks train together within each tile. `phasemap parameters` lists what else there is.
program: phasemap
command: ["${{env}}", "${{program}}", train, "${{args_json}}"]
method: grid
metric: {{name: test_accuracy, goal: maximize}}
parameters:
"""


def own_file(family: str, file: str) -> str:
    """The text of an experiment file for networks of one family.

    Args:
        file: its name, for the commands in its first lines.

    Raises:
        InputError: there is no such family, or no built-in experiment of it.
    """
    if family not in FAMILIES:
        raise InputError(f"--family {family}: expected one of {', '.join(FAMILIES)}")
    model = next((one for one in map(_quick, available()) if _architecture(one) == family), None)
    if model is None:
        raise InputError(f"--family {family}: no built-in experiment has such networks; docs/extending.md shows a file")
    parameters = model.document["parameters"]
    lines = [HEAD.format(title=f"A phase map of {family} networks, begun from {model.name}.", file=file)]
    named = {name: dict(entry) for name, entry in parameters.items() if name not in LEFT_OUT}
    lines += [_line(name, entry) for name, entry in named.items()]
    lines.append("  # and these, each with its default\n")
    others = [name for name in TABLE if name in own_names(family) and name not in {*parameters, *LEFT_OUT}]
    lines += [f"  # {_line(name, {'value': TABLE[name].default}).strip()}\n" for name in others if _given(name)]
    return "".join(lines)


def _quick(name: str) -> Experiment:
    return load(name, PRESET)


def _architecture(experiment: Experiment) -> Any:
    return experiment.fixed.get("architecture", DEFAULT)


def _given(name: str) -> bool:
    """Whether the parameter has a default that a file can spell."""
    return TABLE[name].default is not None and name not in references(TABLE.defaults)


def _line(name: str, entry: dict[str, Any]) -> str:
    text = yaml.safe_dump(entry, default_flow_style=True, width=1000, allow_unicode=True).rstrip("\n")
    return f"  {name}: {text}  # {TABLE[name].help}\n"
