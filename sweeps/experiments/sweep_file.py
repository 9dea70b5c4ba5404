"""Reads a W&B sweep file: YAML with ``method: grid`` and ``parameters:``; mistakes come with their line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from phasemap.sweeps.experiments.yaml_document import read_yaml
from phasemap.theory.errors import InputError
from phasemap.train.documents import LONGEST_TEXT, Count, DocumentError, Scalar, Text, of_schema

TOP_LEVEL: Mapping[str, Any] = {
    "name": Text,
    "description": Text,
    "project": Text,
    "entity": Text,
    "program": Text,
    "command": list[Scalar],
    "method": Text,
    "metric": dict[Text, Scalar],
    "parameters": dict[Any, Any],
    "run_cap": Count,
    "apiVersion": Text,
    "kind": Literal["sweep"],
}
"""Keys at the top level that W&B's schema knows and that mean something for a grid, with what stands there."""
WITHOUT_MEANING = {
    "early_terminate": "every network is trained to its end",
    "controller": "a grid needs none",
    "scheduler": "a grid needs none",
    "metrics": "a map shows one metric, and its page all",
    "job": "agents start phasemap",
    "image_uri": "agents start phasemap",
}
"""Keys that W&B knows and that mean nothing for a grid of phasemap, and why."""
LONGEST = 60
"""Characters of a list that a message repeats."""
RANGES = ("min", "max", "mu", "sigma", "q", "a", "b")
DISTRIBUTIONS = {"value": "constant", "values": "categorical"}
"""What W&B calls that which stands there."""


def parse_sweep(text: str, source: str) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """The document without malformed entries, the place (``file:line``) of every parameter (and of the file, under ""),
    and every mistake with the name of the parameter that is left out for it.

    Raises:
        InputError: it is no sweep file at all, or no YAML that is read.
    """
    read = read_yaml(text, source)
    document = read.value
    if not isinstance(document, dict):
        raise InputError(f"{source}: expected a sweep file with 'method: grid' and 'parameters:'")

    def at(*keys: Any) -> str:
        line = read.lines.get(tuple(map(str, keys)))
        return f"{source}:{line}" if line else source

    mistakes = {f"{at(key)}: {wrong}": "" for key, value in document.items() if (wrong := _wrong_key(key, value))}
    if "method" not in document:
        mistakes[f'{source}: method: is missing: add "method: grid"'] = ""
    elif document["method"] != "grid":
        mistakes[f'{at("method")}: method: {_brief(document["method"])}: write "method: grid"'] = ""
    parameters = document.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise InputError(*mistakes, f"{source}: parameters: expected at least one parameter")
    where = {"": source, **{str(name): at("parameters", name) for name in parameters}}
    sound = {}
    for name, entry in parameters.items():
        if wrong := "expected a name" if not isinstance(name, str) else _wrong_entry(name, entry):
            mistakes[f"{where[str(name)]}: {name}: {wrong}"] = str(name)
        else:
            sound[name] = {kind: value for kind, value in entry.items() if kind != "distribution"}
    return {**document, "parameters": sound}, where, mistakes


def _wrong_key(key: Any, value: Any) -> str | None:
    """What is wrong with an entry at the top level; of ``parameters`` it is told elsewhere."""
    if key in WITHOUT_MEANING:
        return f"{key}: W&B knows it, and for a grid it has no meaning ({WITHOUT_MEANING[key]}): take it away"
    if key not in TOP_LEVEL:
        near = difflib.get_close_matches(str(key), TOP_LEVEL, n=1)
        return f"unknown key {_brief(key)}" + (f"; did you mean {near[0]}?" if near else "")
    if key in ("method", "parameters"):
        return None
    try:
        of_schema(value, TOP_LEVEL[key])
    except DocumentError as error:
        return f"{key}: {error}"
    return None


def _wrong_entry(name: str, entry: Any) -> str | None:
    """What is wrong with ``{value: …}`` or ``{values: […]}`` of one parameter, and what to write."""
    if not isinstance(entry, dict):
        return f"{_brief(entry)}: {_write(name, entry)}"
    if "parameters" in entry:
        return f"parameters within a parameter: {_write(name, None)}"
    if ranges := [each for each in RANGES if each in entry]:
        ends = [entry[each] for each in ("min", "max") if each in entry]
        return f"{', '.join(ranges)}: a grid has no ranges: {_write(name, ends if len(ends) > 1 else None)}"
    if "probabilities" in entry:
        return "probabilities: a grid takes each value once: expected 'values: […]' alone"
    kinds = entry.keys() - {"distribution"}
    if kinds not in ({"value"}, {"values"}):
        both = "value and values: one of them: " if {"value", "values"} <= kinds else ""
        return f"{both}{_write(name, None)}"
    (kind,) = kinds
    if "distribution" in entry and entry["distribution"] != DISTRIBUTIONS[kind]:
        given = _brief(entry["distribution"])
        return f"distribution: {given}: expected {DISTRIBUTIONS[kind]}, as {kind}: stands beside it"
    if kind == "values" and not isinstance(entry["values"], (list, dict)):
        return f"values: {_brief(entry['values'])}: {_write(name, entry['values'])}"
    return _wrong_single(name, entry["value"]) if kind == "value" else _wrong_values(entry["values"])


def _wrong_single(name: str, value: Any) -> str | None:
    """What is wrong with what stands under ``value:``."""
    from phasemap.train.parameters import TABLE

    if isinstance(value, list) and name in TABLE and not TABLE[name].stackable:
        return wrong_value(value) or f"{_brief(value)} is no stacked axis of this parameter: {_write(name, value)}"
    return wrong_value(value)


def _write(name: str, given: Any) -> str:
    """What to write in place of a value that stands in the wrong way; in general for None."""
    from phasemap.train.parameters import TABLE

    spelt = json.dumps(given, ensure_ascii=False, default=str)
    if isinstance(given, str) and re.fullmatch(r"[A-Za-z][\w./-]*", given):
        spelt = given
    if given is None or isinstance(given, dict) or len(spelt) > LONGEST:
        return 'write "value: …" or "values: […]"'
    if not isinstance(given, list):
        return f'write "value: {spelt}"'
    stacked = f', or "value: {spelt}" for a stacked axis' if name in TABLE and TABLE[name].stackable else ""
    return f'write "values: {spelt}"{stacked}'


def wrong_value(value: Any) -> str | None:
    """What is wrong with a scalar or a list of scalars, whatever parameter it is for; None if nothing is."""
    if isinstance(value, dict):
        return "expected a scalar or a list"
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, (list, dict)):
            return f"{_brief(one)}: expected a scalar; a stacked axis is a list of scalars"
        if isinstance(one, int) and one.bit_length() > 63:
            return f"{_brief(one)}: expected a whole number of at most 63 bits"
        if isinstance(one, str) and len(one) > LONGEST_TEXT:
            return f"{_brief(one)}: expected a shorter text"
    return None


def _wrong_values(values: Any) -> str | None:
    if not isinstance(values, list) or not values:
        return "values: expected a list of at least one value"
    if any(isinstance(value, (list, dict)) for value in values):
        return "values: expected scalars (a stacked axis is a list under 'value:')"
    return wrong_value(values) or (
        "values: a value stands twice" if len(set(map(repr, values))) < len(values) else None
    )


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}…"
