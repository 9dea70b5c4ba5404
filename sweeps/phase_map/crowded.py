"""What varies beside the axes where these leave several cells on one point of a map, and what helps against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phasemap.train.parameters import TABLE

LISTED = 6
"""Values that a message lists."""

Grid = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Crowd:
    """A grid that is no map over its axes.

    Attributes:
        x, y: the axes. single: those of them that have one value.
        beside: values of what varies beside them; what follows from an axis or from another is left out.
    """

    x: str
    y: str
    single: tuple[str, ...]
    beside: Mapping[str, Sequence[Any]]

    def in_words(self, helps: str) -> str:
        """The whole message."""
        return (
            f"x_axis, y_axis: {self.x} and {self.y} leave several cells on one point of the map; "
            f"these vary too: {', '.join(self.beside)}; {helps}"
        )

    @property
    def replaced(self) -> dict[str, str]:
        """The axes of one value by what could take their places; empty where these are too few."""
        names = list(self.beside)
        return dict(zip(self.single, names, strict=False)) if len(names) <= len(self.single) else {}


def crowd(grid: Grid, axes: tuple[str, str, str]) -> Crowd:
    """What varies in a grid beside its axes: y, x, and the seed or what stands for it."""
    y, x, _ = axes
    decisive = [name for name in grid[0] if name in TABLE and TABLE[name].identity]
    varying = [name for name in decisive if name not in axes and len(_pairs(grid, name)) > 1]
    kept: list[str] = []
    for name in varying:
        if not any(len(_pairs(grid, other, name)) == len(_pairs(grid, other)) for other in (*axes, *kept)):
            kept.append(name)
    single = tuple(axis for axis in (x, y) if len(_pairs(grid, axis)) == 1)
    beside = {name: list(dict.fromkeys(cell.get(name) for cell in grid)) for name in kept or varying}
    return Crowd(x, y, single, beside)


def in_a_file(found: Crowd) -> str:
    """What to write in an experiment's YAML."""
    if found.replaced:
        which = {found.x: "x_axis", found.y: "y_axis"}
        return "; ".join(f"{axis} has one value: write {which[axis]}: {name}" for axis, name in found.replaced.items())
    several = [axis for axis in (found.x, found.y) if axis not in found.single]
    return (
        f"a map shows two parameters beside the seed: give all but two of {_listed([*several, *found.beside])} one "
        "value, as by --set, and write these two as x_axis and y_axis"
    )


def for_a_report(found: Crowd) -> str:
    """Which options of ``phasemap report`` draw what is there."""
    if found.replaced:
        option = {found.x: "--x", found.y: "--y"}
        return " ".join(f"{option[axis]} {name}" for axis, name in found.replaced.items()) + " draws it"
    some = " ".join(f"--fix {name}={value_in_words(name, values[0])}" for name, values in found.beside.items())
    there = "; ".join(f"{name}: {values_in_words(name, values)}" for name, values in found.beside.items())
    return f"{some} draws one of several maps ({there}), and --x and --y choose other axes (report, export, compare)"


def _pairs(grid: Grid, *names: str) -> set[Any]:
    return {tuple(cell.get(name) for name in names) for cell in grid}


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def values_in_words(name: str, values: Sequence[Any]) -> str:
    """Some values of a parameter, listed."""
    texts = [value_in_words(name, value) for value in values[:LISTED]]
    return ", ".join([*texts, *(["…"] if len(values) > LISTED else [])])


def value_in_words(name: str, value: Any) -> str:
    """A value as one writes it."""
    if value is None:
        return TABLE[name].absent
    return str(value).lower() if isinstance(value, bool) else str(value)
