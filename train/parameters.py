"""The one table of parameters: what a tile can be told, by YAML, ``--set`` or ``phasemap train``, and what is valid.

A parameter is flat: a scalar, or a list if it is *stackable* (a stacked axis: the tile trains the product of its axes).
The table is put together from the rows of the data, the training and the picture, and those of every family.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.families.catalogue import DEFAULT, FAMILIES, family
from phasemap.train.parameter_rows.other_names import unknown
from phasemap.train.parameter_rows.row import Parameter, one_of
from phasemap.train.parameter_rows.training import DATA, RUN, STEP
from phasemap.train.parameter_rows.values import read_value
from phasemap.train.presentation import PRESENTATION

MOST_CELLS = 200_000
"""Cells of a tile, and of an experiment: their products are counted before they are made."""
SEMANTICS = 1  # of a result: raised when the same parameters would mean a different training


class _Table(Mapping[str, Parameter]):
    """Every parameter by name, in the order in which results and tables show them.

    Made again when the catalogue of families has grown.
    """

    def __init__(self) -> None:
        self._additions = -1
        self._rows: dict[str, Parameter] = {}

    @property
    def rows(self) -> dict[str, Parameter]:
        if self._additions != FAMILIES.additions:
            names = tuple(FAMILIES)
            families = [FAMILIES[name] for name in names]
            architecture = Parameter(
                str,
                DEFAULT,
                "family of networks",
                **one_of(*names),
                other_names=("arch", "family", "model", "network"),
            )
            self._rows = {
                "architecture": architecture,
                **_merged([one.rows for one in families]),
                **DATA,
                **STEP,
                **_merged([one.training_rows for one in families]),
                **RUN,
                **PRESENTATION,
            }
            self._additions = FAMILIES.additions
        return self._rows

    @property
    def defaults(self) -> dict[str, Any]:
        """Every parameter's default, by name."""
        return {name: row.default for name, row in self.rows.items()}

    def __getitem__(self, name: str) -> Parameter:
        return self.rows[name]

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def _merged(parts: list[Mapping[str, Parameter]]) -> dict[str, Parameter]:
    """The rows of all families, each once. Raises ValueError where two mean different things by one name."""
    merged: dict[str, Parameter] = {}
    for rows in parts:
        for name, row in rows.items():
            if merged.setdefault(name, row) != row:
                raise ValueError(f"parameter {name!r}: two families have different rows of it; take a shared one")
    return merged


TABLE = _Table()


def stackable() -> tuple[str, ...]:
    """The parameters that a list makes a stacked axis of."""
    return tuple(name for name, row in TABLE.rows.items() if row.stackable)


def owners(name: str) -> list[str]:
    """The architectures that have a parameter; empty where all have it."""
    return [each for each, one in FAMILIES.items() if name in one.rows or name in one.training_rows]


def normalise(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The tile's parameters, complete, in the table's order and in canonical types.

    A parameter with a neutral value is there only if it was given.
    ``lr_per_sample`` becomes ``lr`` = lr_per_sample·batch_size, so that both spellings name the same training. A value
    such as ``@beta_w`` follows another parameter, cell by cell: two parameters swept together are one axis.

    Raises:
        InputError: one line for every mistake in ``raw``.
    """
    values, mistakes = checked(raw)
    if mistakes:
        raise InputError(*mistakes)
    return values


def checked(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What `normalise` gives, with the default in place of what is wrong; and every mistake.

    A mistake between parameters is named only if each of them is right by itself.
    """
    table = TABLE.rows
    mistakes = [unknown(name, table) for name in raw if name not in table]
    values: dict[str, Any] = {}
    wrong = set()
    for name, row in table.items():
        try:
            values[name] = read_value(name, row, raw[name], table) if name in raw else row.default
        except ValueError as error:
            mistakes += str(error).splitlines()
            wrong.add(name)
            values[name] = row.default
    mistakes += [message for message in _together(values) if wrong.isdisjoint(re.findall(r"\w+", message))]
    own = own_names(values["architecture"])
    values = {name: value for name, value in values.items() if name in own}
    for name, of in references(values).items():
        if not isinstance(target := values.get(of, table[name].default), list):
            values[name] = target
    per_sample = values.pop("lr_per_sample")
    if isinstance(per_sample, list):
        values["lr"] = [_times(rate, values["batch_size"]) for rate in per_sample]
    elif per_sample is not None:
        values["lr"] = _times(per_sample, values["batch_size"])
    values["statistics_batch_size"] = values["statistics_batch_size"] or values["batch_size"]
    values["tf32"] = values["tf32"] or None  # false is what is done anyway: the same training has one identity
    given = {name: value for name, value in values.items() if value is not None or table[name].neutral is None}
    return given, mistakes


def own_names(architecture: str) -> frozenset[str]:
    """The parameters that networks of the architecture have."""
    return _own_names(architecture, FAMILIES.additions)


@lru_cache(maxsize=64)
def _own_names(architecture: str, additions: int) -> frozenset[str]:
    """The same, once for a catalogue of families that has grown ``additions`` times."""
    foreign = {name for one in FAMILIES.values() for name in (*one.rows, *one.training_rows)}
    own = family(architecture)
    return frozenset((set(TABLE.rows) - foreign) | set(own.rows) | set(own.training_rows))


def _times(rate: float, batch_size: int) -> float:
    """rate·batch_size as a person would write it: 3e-5·10 is 0.0003, not 0.00030000000000000003."""
    return float(f"{rate * batch_size:.12g}")


def _together(values: Mapping[str, Any]) -> list[str]:
    """What is wrong between parameters that are valid one by one."""
    mistakes = []
    architecture = values["architecture"]
    own = own_names(architecture)
    for name, row in TABLE.rows.items():
        if name not in own and values[name] != row.default:
            having = owners(name)
            only = " and ".join(having) + (" has" if len(having) == 1 else " have")
            mistakes.append(f"{name}: architecture {architecture} has no such parameter (only {only})")
    following = references(values)
    for name, target in following.items():
        if target in following:
            mistakes.append(f"{name}: {values[name]!r} refers to a parameter that itself refers to another")
        if target not in own:
            mistakes.append(f"{name}: {values[name]!r}: architecture {architecture} has no {target}")
    stacked = {name: len(value) for name, value in values.items() if isinstance(value, list)}
    if (count := math.prod(stacked.values())) > MOST_CELLS:
        mistakes.append(f"{', '.join(stacked)}: {counted(count, 'cell')} in one tile: expected at most {MOST_CELLS}")
    if (values["lr"] is None) == (values["lr_per_sample"] is None):
        mistakes.append("lr, lr_per_sample: give exactly one of them")
    if (values["epochs"] is None) == (values["steps"] is None):
        mistakes.append("epochs, steps: give exactly one of them")
    batch_size, statistics = values["batch_size"], values["statistics_batch_size"] or values["batch_size"]
    if batch_size % statistics:
        mistakes.append(f"statistics_batch_size: {statistics} does not divide batch_size {batch_size}")
    mistakes += family(architecture).check(values)
    for axis in ("x_axis", "y_axis"):
        if values[axis] not in TABLE or not TABLE[values[axis]].identity:
            decisive = {name: row for name, row in TABLE.items() if row.identity}
            mistakes.append(unknown(values[axis], decisive, f"parameter as {axis}:"))
    if values["x_axis"] == values["y_axis"]:
        mistakes.append(f"x_axis, y_axis: both are {values['x_axis']!r}")
    return mistakes


def references(values: Mapping[str, Any]) -> dict[str, str]:
    """What each parameter with a value such as ``@beta_w`` follows."""
    return {name: value[1:] for name, value in values.items() if type(value) is str and value[:1] == "@"}
