"""How the value of one parameter is read: canonical kinds whatever the spelling, or what is wrong, in words."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any, cast

from phasemap.theory.ranges import brief
from phasemap.train.parameter_rows.row import Parameter

LARGEST = int(sys.float_info.max)


def read_value(name: str, row: Parameter, value: Any, table: Mapping[str, Parameter]) -> Any:
    """A scalar, the list of a stacked axis, or a reference such as ``@beta_w``.

    Raises:
        ValueError: in words, a line for every wrong entry of a list.
    """
    if isinstance(value, str) and value.startswith("@"):
        target = table.get(value[1:])
        if not row.stackable or target is None or not target.stackable or target.kind is not row.kind:
            raise ValueError(f"{name}: {value!r}: expected @ and the name of another stackable parameter of its kind")
        return value
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"{name}: {brief(value)} is not a list such as [1, 2, 3]") from None
    if not isinstance(value, (list, tuple)):
        return _scalar(name, row, value)
    if not row.stackable:
        stackable = ", ".join(name for name, other in table.items() if other.stackable)
        raise ValueError(f"{name}: a list is not allowed here; stackable are {stackable}")
    values, wrong = [], []
    for entry in value:
        try:
            values.append(_scalar(name, row, entry))
        except ValueError as error:
            wrong.append(str(error))
    if None in values:
        wrong.append(
            f"{name}: {brief(values)} holds null, which stands for a parameter that is not given; expected numbers"
        )
    if wrong:
        raise ValueError("\n".join(dict.fromkeys(wrong)))
    if not values:
        raise ValueError(f"{name}: the list is empty")
    if len(set(values)) < len(values):
        raise ValueError(f"{name}: {brief(values)} holds a value twice")
    return values


def _scalar(name: str, row: Parameter, value: Any) -> Any:
    """``value`` in the row's kind; accepts the strings and e-notation that W&B hands over; ValueError in words."""
    if isinstance(value, str) and (row.kind is not str or row.nullable):
        value = _from_text(name, row, value.strip())
    if value is None:
        if row.nullable:
            return None
        raise ValueError(f"{name}: null is not allowed; expected {_kind_in_words(row.kind)}")
    if row.kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if row.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= LARGEST else math.inf
    if not isinstance(value, row.kind) or (row.kind is not bool and isinstance(value, bool)):
        raise ValueError(f"{name}: {brief(value)} is not {_kind_in_words(row.kind)}")
    if row.kind is float and not math.isfinite(cast(float, value)):
        raise ValueError(f"{name}: {value!r} is not finite")
    if row.kind is float:
        value = cast(float, value) + 0.0  # -0.0 is 0.0
    if row.kind is str:
        value = row.spelling(cast(str, value))
    if not row.check(value):
        raise ValueError(
            f"{name}: {brief(value)}: expected {row.reason(value) if row.reason else row.expected_in_words}"
        )
    return value


def _from_text(name: str, row: Parameter, text: str) -> Any:
    if text.lower() in ("", "none", "null"):
        return None
    if row.kind is str:
        return text
    if row.kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    for kind in (int, float) if row.kind is int else (float,):
        try:
            return kind(text)
        except ValueError:
            continue
    raise ValueError(f"{name}: {brief(text)} is not {_kind_in_words(row.kind)}")


def _kind_in_words(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]
