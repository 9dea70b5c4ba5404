"""Where an experiment that comes with the project was changed so far that what is said of it no longer holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NEVER = ("seed", "train_size", "test_size", "dtype", "tf32", "monitor", "x_scale", "y_scale")
"""Parameters that change how well a figure is measured, or how it looks, and not what it shows."""

Parameters = Mapping[str, Any]
"""As a YAML has them: scalars, and lists for axes."""


def departures(scales: Sequence[Parameters], given: Parameters) -> dict[str, tuple[Any, Any]]:
    """The parameters of ``given`` that make it another figure: what they are, and what they are in the figure.

    What all ``scales`` share (φ, the optimizer, the axes, …) belongs to the figure; so do the data sets that they have.
    What they do not share (width, depths, learning rate, …) is a matter of scale, and an axis may have any values.

    Args:
        scales: the figure's parameters at the paper's scale and in each preset.
        given: those of the experiment at hand.
    """
    from phasemap.train.parameters import TABLE

    found = {}
    for name, row in TABLE.items():
        usual = [_plain(name, one.get(name, row.default)) for one in scales]
        is_axis = any(isinstance(value, list) for value in usual)
        is_scale = any(value != usual[0] for value in usual) and (row.kind is not str or row.stackable)
        value = _plain(name, given.get(name, row.default))
        if name not in NEVER and not is_axis and not is_scale and value not in usual:
            found[name] = (value, usual[0])
    return found


def in_words(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """``activation silu (there relu)``, all of them."""
    return ", ".join(f"{name} {value} (there {usual})" for name, (value, usual) in changed.items())


def _plain(name: str, value: Any) -> Any:
    """The value in the table's kind, whatever its spelling; as it is where it is wrong."""
    from phasemap.train.parameter_rows.values import read_value
    from phasemap.train.parameters import TABLE

    try:
        return read_value(name, TABLE[name], value, TABLE)
    except ValueError:
        return value
