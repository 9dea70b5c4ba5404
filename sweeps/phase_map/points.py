"""Where each cell of a grid stands on the map: its axes, their values in order, and one point for every cell."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phasemap.sweeps.experiments.experiment import Experiment
from phasemap.sweeps.phase_map.crowded import Crowd, crowd, for_a_report, in_a_file
from phasemap.theory.errors import InputError
from phasemap.train import parameters
from phasemap.train.cells import cells, same_training
from phasemap.train.presentation import HEAT_MAP
from phasemap.train.presentation import PRESENTATION as PICTURE_ROWS

PRESENTATION = tuple(name for name in PICTURE_ROWS if name != "picture")
"""The parameters that say how a map is drawn."""
REPEAT = "repeat"
"""The third dimension of a map one of whose axes is the seed."""
MOST_AXES = 8
"""Axes of several values that are tried by `check_points`: a map shows three."""
_FILES = ("activation", "dataset")
"""Parameters that may name a file; where the whole map has one, it may have moved since."""


@dataclass(frozen=True)
class Points:
    """The points of a map.

    Attributes:
        shown: the presentation. axes: names of y, x and the seed.
        values: of each axis, in order.
        moved: parameters that count by their file's name alone in ``same_training``.
        places: of each cell, by its ``same_training``, its indices in the array.
    """

    shown: Mapping[str, Any]
    axes: tuple[str, str, str]
    values: Mapping[str, list[Any]]
    moved: tuple[str, ...]
    places: Mapping[Hashable, tuple[int, ...]]


def points_of(
    grid: Sequence[Mapping[str, Any]],
    presentation: Mapping[str, Any],
    helps: Callable[[Crowd], str] = for_a_report,
) -> Points:
    """The points of the cells of a grid.

    Args:
        helps: what to say where the axes leave several cells on one point.

    Raises:
        InputError: axes that are no parameters, or that leave several cells on one point.
    """
    shown = _presentation(grid[0], presentation)
    axes = (shown["y_axis"], shown["x_axis"], "seed" if "seed" not in (shown["y_axis"], shown["x_axis"]) else REPEAT)
    values = {axis: _sorted({cell.get(axis, 0) for cell in grid}) for axis in axes}
    moved = tuple(name for name in _FILES if len({cell.get(name) for cell in grid}) == 1)
    places = _places(grid, axes, values, moved)
    if max(Counter(places.values()).values()) > 1:
        found = crowd(grid, axes)
        raise InputError(found.in_words(helps(found)))
    return Points(shown, axes, values, moved, places)


def check_map(experiment: Experiment, tiles: Sequence[Mapping[str, Any]]) -> None:
    """Whether the report can show the cells of an experiment as a map, if a map is what it shows.

    Args:
        tiles: of the experiment.

    Raises:
        InputError: the place in the file, and what to write there.
    """
    if tiles[0]["picture"] == HEAT_MAP:
        try:
            check_points(tiles, experiment.tile_axes)
        except InputError as error:
            raise InputError(*map(experiment.located, error.messages)) from None


def check_points(tiles: Sequence[Mapping[str, Any]], tile_axes: Mapping[str, Sequence[Any]]) -> None:
    """Whether the map of tiles can be made, by two values of each axis. Raises InputError as `points_of`.

    Args:
        tiles: normalised, the product of ``tile_axes``, the last fastest.
    """
    sizes = [len(values) for values in tile_axes.values()]
    free = MOST_AXES
    ends = []
    for size in sizes:
        ends.append([0, size - 1] if size > 1 and free else [0])
        free -= len(ends[-1]) - 1
    grid: list[Mapping[str, Any]] = []
    for point in itertools.product(*ends):
        number = 0
        for index, size in zip(point, sizes, strict=True):
            number = number * size + index
        lists = {name: value for name, value in tiles[number].items() if isinstance(value, list)}
        tried = [name for name, value in lists.items() if len(value) > 1][:free]
        thinned = {name: [value[0], value[-1]] if name in tried else [value[0]] for name, value in lists.items()}
        grid += [cell.parameters for cell in cells({**tiles[number], **thinned})]
    points_of(grid, {}, in_a_file)


def _presentation(cell: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: given.get(name, cell.get(name, parameters.TABLE[name].default)) for name in PRESENTATION}
    wrong = [axis for axis in ("x_axis", "y_axis") if shown[axis] not in cell]
    if wrong:
        raise InputError(*(f"{axis}: {shown[axis]!r}: {_instead(shown[axis], cell)}" for axis in wrong))
    if shown["x_axis"] == shown["y_axis"]:
        raise InputError(f"x_axis, y_axis: both are {shown['x_axis']!r}")
    return shown


def _instead(axis: str, cell: Mapping[str, Any]) -> str:
    """What to write for an axis that the networks do not have."""
    if axis == "lr_per_sample":
        return "it becomes the learning rate: write lr"
    owners = ", ".join(parameters.owners(axis)) if axis in parameters.TABLE else ""
    return f"{cell.get('architecture', 'these')} networks have none" + (f", only {owners}" if owners else "")


def _sorted(values: set[Any]) -> list[Any]:
    """In order; null, which stands for "not given", last."""
    texts = any(isinstance(value, str) for value in values)
    given = sorted(values - {None}, key=str if texts else None)
    return [*given, None] if None in values else given


def _places(
    grid: Sequence[Mapping[str, Any]], axes: tuple[str, ...], values: Mapping[str, list[Any]], moved: tuple[str, ...]
) -> dict[Hashable, tuple[int, ...]]:
    """Key of each cell -> its indices in the array."""
    indices = {axis: {value: i for i, value in enumerate(values[axis])} for axis in axes}
    return {same_training(cell, moved): tuple(indices[axis][cell.get(axis, 0)] for axis in axes) for cell in grid}
