"""Reads a W&B sweep file: YAML with ``method: grid`` and ``parameters:``; mistakes come with their line."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from phasemap.theory.errors import InputError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Keys at the top level that W&B's schema knows and that mean something for a grid.
TOP_LEVEL = (
    "name",
    "description",
    "project",
    "entity",
    "program",
    "command",
    "method",
    "metric",
    "parameters",
    "run_cap",
)


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"{path}: cannot be read: {reason}") from None


@lru_cache(maxsize=256)  # `phasemap list` asks for each file several times; nobody changes what comes back
def read_yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{min(mark.line + 1, len(text.splitlines()))}" if mark else ""  # a mark may lie behind the end
        raise InputError(f"{source}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None


def parse_sweep(text: str, source: str) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """The document without malformed entries, the place (``file:line``) of every parameter, and every mistake with the
    name of the parameter that is left out for it. Raises InputError if it is no sweep file at all."""
    document = read_yaml(text, source)
    if not isinstance(document, dict):
        raise InputError(f"{source}: expected a sweep file with 'method: grid' and 'parameters:'")
    lines = _lines(text)
    where = {name: f"{source}:{lines[name]}" if name in lines else source for name in document.get("parameters") or {}}
    mistakes: dict[str, str] = {}
    for key in document:
        if key not in TOP_LEVEL:
            near = difflib.get_close_matches(str(key), TOP_LEVEL, n=1)
            mistakes[f"{source}: unknown key {key!r}" + (f"; did you mean {near[0]}?" if near else "")] = ""
    if document.get("method") != "grid":
        mistakes[f"{source}: method: {document.get('method')!r}: expected grid"] = ""
    parameters = document.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise InputError(*mistakes, f"{source}: parameters: expected at least one parameter")
    for name, entry in parameters.items():
        if wrong := _wrong_entry(entry):
            mistakes[f"{where[name]}: {name}: {wrong}"] = str(name)
    sound = {name: entry for name, entry in parameters.items() if not _wrong_entry(entry)}
    return {**document, "parameters": sound}, where, mistakes


def _wrong_entry(entry: Any) -> str | None:
    """What is wrong with ``{value: …}`` or ``{values: […]}`` of one parameter."""
    if not isinstance(entry, dict) or len(entry) != 1 or next(iter(entry)) not in ("value", "values"):
        return "expected 'value: …' or 'values: […]'"
    if "value" in entry:
        return "expected a scalar or a list" if isinstance(entry["value"], dict) else None
    values = entry["values"]
    if not isinstance(values, list) or not values:
        return "values: expected a list of at least one value"
    if any(isinstance(value, (list, dict)) for value in values):
        return "values: expected scalars (a stacked axis is a list under 'value:')"
    return "values: a value stands twice" if len(set(map(repr, values))) < len(values) else None


@lru_cache(maxsize=256)
def _lines(text: str) -> dict[str, int]:
    """The line, counted from 1, in which each parameter's name stands."""
    root = yaml.compose(text, Loader=LOADER)
    if not isinstance(root, yaml.MappingNode):
        return {}
    for key, value in root.value:
        if key.value == "parameters" and isinstance(value, yaml.MappingNode):
            return {name.value: name.start_mark.line + 1 for name, _ in value.value}
    return {}
