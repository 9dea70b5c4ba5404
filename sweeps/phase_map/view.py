"""Which map is drawn of what is there: its axes, and one value of what varies beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phasemap.sweeps.phase_map.crowded import value_in_words, values_in_words
from phasemap.theory.errors import InputError
from phasemap.train.parameter_rows.other_names import unknown
from phasemap.train.parameter_rows.values import read_value
from phasemap.train.parameters import TABLE

LOG_FROM = 20.0
"""Largest by smallest value of a new axis from which on its scale is logarithmic."""


@dataclass(frozen=True)
class View:
    """Axes and fixed values that are chosen in place of the experiment's.

    Attributes:
        x, y: parameters; the experiment's own if None. fixed: the one value of each of some parameters.
    """

    x: str | None = None
    y: str | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_axes(self) -> bool:
        """Whether an axis is chosen."""
        return self.x is not None or self.y is not None

    def shows(self, cell: Mapping[str, Any]) -> bool:
        """Whether a cell has the fixed values."""
        return all(_given(name, cell.get(name)) == value for name, value in self.fixed.items())

    def axes(self, x: str, y: str) -> tuple[str, str]:
        """The axes of a map whose own are ``x`` and ``y``; where the other's is chosen for one, they change places."""
        return self.x or (y if x == self.y else x), self.y or (x if y == self.x else y)

    def presentation(self, grid: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
        """What is not as the first cell of a grid has it: the axes with their scales, and the map's name.

        Args:
            name: of a map whose cells have none.

        """
        own = {which: str(grid[0].get(f"{which}_axis", TABLE[f"{which}_axis"].default)) for which in "xy"}
        axes = dict(zip("xy", self.axes(own["x"], own["y"]), strict=True))
        called = ", ".join(
            [
                str(grid[0].get("experiment") or name),
                *([f"{axes['y']} over {axes['x']}"] if axes != own else []),
                *(f"{name}={value_in_words(name, value)}" for name, value in self.fixed.items()),
            ]
        )
        new = {which: axis for which, axis in axes.items() if axis != own[which]}
        scales = {own[which]: grid[0].get(f"{which}_scale") for which in "xy"}
        return {
            "experiment": called,
            **{f"{which}_axis": axis for which, axis in new.items()},
            **{f"{which}_scale": scales.get(axis) or _scale(grid, axis) for which, axis in new.items()},
        }


def view(x: str | None, y: str | None, fix: Sequence[str] | Mapping[str, Any] = ()) -> View:
    """A view as it is asked for.

    Args:
        fix: ``name=value`` texts, or values by name.

    Raises:
        InputError: one line for every name that is no parameter, and every value that none can have.
    """
    decisive = {name: row for name, row in TABLE.items() if row.identity}
    mistakes = [
        f"--{which} {name}: {unknown(name, decisive, 'axis')}"
        for which, name in (("x", x), ("y", y))
        if name is not None and name not in decisive
    ]
    if x is not None and x == y:
        mistakes.append(f"--x, --y: both are {x}")
    fixed: dict[str, Any] = {}
    if not isinstance(fix, Mapping):
        mistakes += [f"--fix {one}: expected name=value" for one in fix if "=" not in one]
    pairs = fix.items() if isinstance(fix, Mapping) else [one.partition("=")[::2] for one in fix if "=" in one]
    for name, value in ((name.strip().replace("-", "_"), value) for name, value in pairs):
        if name not in decisive:
            mistakes.append(f"--fix {name}: {unknown(name, decisive)}")
            continue
        if name in (x, y):
            mistakes.append(f"--fix {name}={value}: {name} is an axis")
        try:
            fixed[name] = _read(name, value)
        except ValueError as error:
            mistakes += [f"--fix {line}" for line in str(error).splitlines()]
    if mistakes:
        raise InputError(*mistakes)
    return View(x, y, fixed)


def none_such(chosen: View, there: Sequence[Mapping[str, Any]]) -> InputError:
    """What to raise where no cell has the fixed values."""
    for name, value in chosen.fixed.items():
        values = list(dict.fromkeys(_given(name, cell.get(name)) for cell in there))
        if value not in values:
            return InputError(
                f"--fix {name}={value_in_words(name, value)}: no network has it; there are"
                f" {values_in_words(name, values)}"
            )
    fixed = " ".join(f"--fix {name}={value_in_words(name, value)}" for name, value in chosen.fixed.items())
    return InputError(f"{fixed}: no network has them together")


def _read(name: str, value: Any) -> Any:
    row = TABLE[name]
    value = value.item() if hasattr(value, "item") else value
    value = value.strip() if isinstance(value, str) else value
    if row.nullable and (value is None or value in ("", row.absent)):
        return row.neutral
    read = read_value(name, row, value, TABLE)
    if isinstance(read, list) or (isinstance(read, str) and read.startswith("@")):
        raise ValueError(f"{name}={value}: expected one value")
    return _given(name, read)


def _given(name: str, value: Any) -> Any:
    return TABLE[name].neutral if value is None else value


def _scale(grid: Sequence[Mapping[str, Any]], axis: str) -> str:
    """Logarithmic where the values of a new axis lie far apart."""
    values = [cell.get(axis) for cell in grid]
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    far = len(numbers) == len(values) and min(numbers) > 0 and max(numbers) >= LOG_FROM * min(numbers)
    return "log" if far else "linear"
