"""``--set key=value``: what a value means is told by the parameter that it is for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import yaml

from phasemap.sweeps.experiments.sweep_file import wrong_value
from phasemap.sweeps.experiments.yaml_document import read_yaml
from phasemap.theory.errors import InputError

if TYPE_CHECKING:
    from phasemap.train.parameter_rows.row import Parameter

_NULL = ("", "~", "null", "Null", "NULL")
_ODD = re.compile(r"[-+]?0[0-9_]|[-+]?[0-9_]+:")
"""What YAML 1.1 reads as an octal or sexagesimal number, and no one means."""


def parse_settings(settings: Iterable[str], mistakes: dict[str, str]) -> dict[str, Any]:
    """``key=value`` texts as overrides. Mistakes are added with the name of the parameter that is left out for them.

    A number or a list is read as YAML has it, and null takes the parameter away. Everything else is the text as it
    stands, whatever it would be in YAML: ``@beta_w``, ``a #2.npz``, ``run: v2.npz``. Of a parameter that is given twice
    the last counts.
    """
    from phasemap.train.parameter_rows.other_names import unknown
    from phasemap.train.parameters import TABLE

    overrides: dict[str, Any] = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        key = key.strip().replace("-", "_")
        if not separator or not key:
            mistakes[f"--set {setting}: expected key=value"] = ""
        elif key not in TABLE:
            mistakes[f"--set {setting}: {unknown(key, TABLE)}"] = ""
        else:
            try:
                value = _value(TABLE[key], text.strip(), f"--set {setting}")
            except InputError as error:
                mistakes.update(dict.fromkeys(error.messages, key))
                continue
            if wrong := "expected at least one value" if value == [] else wrong_value(value):
                mistakes[f"--set {setting}: {key}: {wrong}"] = key
            else:
                overrides[key] = value
    return overrides


def _value(row: Parameter, text: str, source: str) -> Any:
    """The value of ``text`` for the parameter. Raises InputError if it begins as a list of numbers and is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{ascii(source)[1:-1]}: is not UTF-8 text") from None
    if text in _NULL:
        return None
    if row.kind is str and text[0] not in "['\"":
        return text
    try:
        value = read_yaml(text, source).value
    except InputError:
        if row.kind is str or text[0] != "[":
            return text
        raise
    if isinstance(value, list):
        return _as_spelt(value, text, row)
    if row.kind is str:
        return value if isinstance(value, str) else text
    return text if isinstance(value, dict) or _ODD.match(text) else value


def _as_spelt(values: list[Any], text: str, row: Parameter) -> list[Any]:
    """The list with the text itself where YAML makes something else of it: 007 and yes, if a text is wanted."""
    nodes: list[yaml.Node] = getattr(yaml.compose(text, Loader=yaml.SafeLoader), "value", [])
    return [
        node.value
        if isinstance(node, yaml.ScalarNode) and value is not None and (row.kind is str or _ODD.match(node.value))
        else value
        for value, node in zip(values, nodes, strict=True)
    ]
