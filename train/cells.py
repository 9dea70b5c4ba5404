"""The cells of a tile, and what decides whether two trainings are the same: the one definition of identity."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from phasemap.train.parameters import TABLE, references


@dataclass(frozen=True, eq=False, slots=True)
class Cell(Mapping[str, Any]):
    """One point of a grid with one seed: everything that determines one trained network.

    A mapping of its parameters, which are scalars; ``dict(cell)`` is what a result file holds.
    """

    parameters: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)


def cells(parameters: Mapping[str, Any]) -> list[Cell]:
    """The cells of a tile: the product of its stacked axes in the table order, the last fastest.

    Args:
        parameters: normalised, of a tile.
    """
    axes = [[(name, entry) for entry in value] for name, value in parameters.items() if isinstance(value, list)]
    following = references(parameters).items()
    found = []
    for point in itertools.product(*axes):
        values = {**parameters, **dict(point)}
        found.append(Cell({**values, **{name: values[target] for name, target in following}}))
    return found


def identity(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The part of normalised ``parameters`` that decides the training: not the picture's axes, metric and overlay.

    What is not given (None), or has its neutral value, is left out too, so that a later version's parameter changes no
    key.
    """
    rows = TABLE.rows
    return {
        name: value
        for name, value in parameters.items()
        if value is not None and (row := rows[name]).identity and value != row.neutral
    }


def same_training(parameters: Mapping[str, Any], by_file_name: tuple[str, ...] = ()) -> Hashable:
    """Equal for two cells, or two tiles, exactly if their ``identity`` is.

    Args:
        parameters: normalised; names that this version does not know do not count.
        by_file_name: parameters that name a file of the user's own, which count by the file's name alone: it may have
            moved.
    """
    known = parameters.parameters if isinstance(parameters, Cell) else parameters
    names, neutral = _deciding()
    found: list[Any] = [tuple(value) if type(value) is list else value for value in map(known.get, names, neutral)]
    for name in by_file_name:
        place = names.index(name)
        if isinstance(found[place], str):
            found[place] = found[place].rpartition("/")[2]
    return tuple(found)


def _deciding() -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The parameters that decide a training, and their neutral values, once for a table."""
    if _known[0] is not TABLE.rows:
        rows = {name: row for name, row in TABLE.rows.items() if row.identity}
        _known[:] = [TABLE.rows, (tuple(rows), tuple(row.neutral for row in rows.values()))]
    deciding: tuple[tuple[str, ...], tuple[Any, ...]] = _known[1]
    return deciding


_known: list[Any] = [None, ((), ())]
