"""The cells of a tile, and what decides whether two trainings are the same: the one definition of identity."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from phasemap.train.parameters import TABLE, references
from phasemap.train.result_types import CellResult, Content


@dataclass(frozen=True, eq=False, slots=True)
class Cell(Mapping[str, Any]):
    """One point of a grid with one seed: everything that determines one trained network.

    A mapping of its parameters, which are scalars; ``dict(cell)`` is what a result file holds.

    Attributes:
        tile: the parameters that it has in common with the other cells of its tile. own: its values of the others.
    """

    tile: Mapping[str, Any]
    own: Mapping[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """A dictionary of them all, made anew."""
        return {**self.tile, **self.own}

    def __getitem__(self, name: str) -> Any:
        return self.own[name] if name in self.own else self.tile[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tile)

    def __len__(self) -> int:
        return len(self.tile)

    def get(self, name: str, default: Any = None) -> Any:
        """As of every mapping, in less time."""
        return self.own[name] if name in self.own else self.tile.get(name, default)


def networks(content: Content) -> Iterator[tuple[Mapping[str, Any], CellResult]]:
    """Every network of a result, with its complete parameters."""
    scalars = {name: value for name, value in content["parameters"].items() if not isinstance(value, list)}
    for cell in content["cells"]:
        own = cell["parameters"]  # complete, where it was read from a file
        yield own if isinstance(own, Cell) else {**scalars, **own, "seed": cell["seed"]}, cell


def cells(parameters: Mapping[str, Any]) -> list[Cell]:
    """The cells of a tile: the product of its stacked axes in the table order, the last fastest.

    Args:
        parameters: normalised, of a tile.
    """
    axes = {name: value for name, value in parameters.items() if isinstance(value, list)}
    following = references(parameters).items()
    found = []
    for point in itertools.product(*axes.values()):
        own = dict(zip(axes, point, strict=True))
        for name, target in following:
            own[name] = own[target] if target in own else parameters[target]
        found.append(Cell(parameters, own))
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
    neutral, places = _deciding()
    if isinstance(parameters, Cell):
        found = list(map(parameters.tile.get, places, neutral))
        for name, value in parameters.own.items():
            if name in places:
                found[places[name]] = value
    else:
        found = [tuple(value) if type(value) is list else value for value in map(parameters.get, places, neutral)]
    for name in by_file_name:
        if isinstance(value := found[places[name]], str):
            found[places[name]] = value.rpartition("/")[2]
    return tuple(found)


def _deciding() -> tuple[tuple[Any, ...], dict[str, int]]:
    """The neutral values of the parameters that decide a training, and their names with their places; once for a
    table."""
    if _known[0] is not TABLE.rows:
        rows = {name: row for name, row in TABLE.rows.items() if row.identity}
        neutral = tuple(row.neutral for row in rows.values())
        _known[:] = [TABLE.rows, (neutral, {name: place for place, name in enumerate(rows)})]
    deciding: tuple[tuple[Any, ...], dict[str, int]] = _known[1]
    return deciding


_known: list[Any] = [None, ((), {})]
