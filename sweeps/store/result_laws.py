"""What makes a result valid beyond the types of its fields: how they hang together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from phasemap.train.cells import cells
from phasemap.train.documents import DocumentError, of_schema, too_deep
from phasemap.train.families.catalogue import family
from phasemap.train.parameter_rows.values import read_value
from phasemap.train.parameters import TABLE, own_names, references
from phasemap.train.result_types import CellResult, Content, Epochs, History, Monitored, Result

_KNOWN = {
    "result": Result.__annotations__.keys(),
    "content": Content.__annotations__.keys(),
    "cell": CellResult.__annotations__.keys(),
}
_DEEPEST_UNKNOWN = 8
"""Levels that an entry may have which a later version added."""


def check_result(document: Any) -> None:
    """Checks ``{"content", "provenance"}`` as it was read: types, and all that a reader relies on.

    What the cells of a tile have in common is there once afterwards: a map may have a hundred thousand of them.

    Raises:
        DocumentError: where it is wrong, and what was expected there.
    """
    of_schema(document, Result)
    content = document["content"]
    _check_unknown("result", document)
    _check_unknown("content", content)
    check_parameters(content["parameters"])
    _check_cells(content)


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Checks that ``parameters`` are as `normalise` gives them. Names of a later version do not count.

    Raises:
        DocumentError: the first that is not.
    """
    rows, valid = TABLE.rows, _valid_values()
    for name, value in parameters.items():
        if name not in rows or (name, repr(value)) in valid:
            continue
        try:
            read = read_value(name, rows[name], value, rows)
        except ValueError as error:
            raise DocumentError(f"parameters.{str(error).splitlines()[0]}") from None
        if read != value and rows[name].kind is not str:
            raise DocumentError(f"parameters.{name}: {value!r}: expected {read!r}")
        valid.add((name, repr(value)))
    if "architecture" not in parameters:
        raise DocumentError("parameters: architecture: not there")
    if missing := _needed(parameters["architecture"]) - parameters.keys():
        raise DocumentError(f"parameters: {', '.join(sorted(missing))}: not there")
    for name, target in references(parameters).items():
        if target not in parameters or target in references(parameters):
            raise DocumentError(f"parameters.{name}: {parameters[name]!r}: expected @ and a parameter with values")
    if parameters["lr"] is None:
        raise DocumentError("parameters.lr: null; expected a number")
    for mistake in family(parameters["architecture"]).check(parameters):
        raise DocumentError(f"parameters.{mistake}")


_cache: list[Any] = [None, set(), {}]
"""The table that these were found for; the values that its rows take; the names that an architecture needs."""
_MOST_VALUES = 100_000


def _valid_values() -> set[tuple[str, str]]:
    """(name, value) pairs that were read before: of thousands of tiles nearly all values are the same."""
    if _cache[0] is not TABLE.rows or len(_cache[1]) > _MOST_VALUES:
        _cache[:] = [TABLE.rows, set(), {}]
    values: set[tuple[str, str]] = _cache[1]
    return values


def _needed(architecture: str) -> set[str]:
    """The parameters that every result of the architecture has."""
    if architecture not in _cache[2]:
        rows = TABLE.rows
        own = own_names(architecture)
        _cache[2][architecture] = {
            name for name in own if rows[name].neutral is None and rows[name].default is not None
        } | {"lr", "statistics_batch_size"}
    needed: set[str] = _cache[2][architecture]
    return needed


def _check_cells(content: Content) -> None:
    parameters, found = content["parameters"], content["cells"]
    count = math.prod(len(value) for value in parameters.values() if isinstance(value, list))
    if count != len(found):
        raise DocumentError(f"cells: {len(found)}; its parameters make {count}")
    steps: list[int] = []
    for place, (cell, expected) in enumerate(zip(found, cells(parameters), strict=True)):
        where = f"cells[{place}]"
        if cell["parameters"] != expected.parameters:
            raise DocumentError(f"{where}.parameters: not those of the tile's cell in this place")
        if cell["seed"] != expected["seed"]:
            raise DocumentError(f"{where}.seed: {cell['seed']}; expected {expected['seed']}, as its parameters say")
        if (cell["outcome"] == "diverged") != (cell["diverged_at"] is not None):
            raise DocumentError(f"{where}.diverged_at: {cell['diverged_at']}, of a cell that is {cell['outcome']}")
        if cell["diverged_at"] is not None and cell["diverged_at"] > cell["steps"]:
            raise DocumentError(f"{where}.diverged_at: {cell['diverged_at']}, beyond its {cell['steps']} steps")
        _check_lengths(f"{where}.history", cell["history"], History)
        if "epochs" in cell:
            _check_lengths(f"{where}.epochs", cell["epochs"], Epochs)
        if "monitor" in cell:
            _check_monitored(f"{where}.monitor", cell["monitor"])
        _check_unknown("cell", cell)
        cell["parameters"] = expected
        steps = cell["history"]["step"] = steps if steps == cell["history"]["step"] else cell["history"]["step"]


def _check_lengths(where: str, series: Mapping[str, Any], schema: type) -> None:
    lengths = {name: len(series[name]) for name in schema.__annotations__}
    if len(set(lengths.values())) > 1:
        raise DocumentError(f"{where}: lists of lengths {', '.join(map(str, lengths.values()))}; expected the same")


def _check_monitored(where: str, series: Monitored) -> None:
    steps, layers = len(series["step"]), len(series["layer"])
    for name in ("log_weight", "log_weight_gradient", "log_output_gradient"):
        lines: list[list[Any]] = series[name]  # type: ignore[literal-required]
        if len(lines) != steps or any(len(line) != layers for line in lines):
            raise DocumentError(f"{where}.{name}: expected {steps} lists of {layers} numbers")


def _check_unknown(what: str, document: Mapping[str, Any]) -> None:
    """What a later version added is let through, if it is of a bounded depth."""
    for name in document.keys() - _KNOWN[what]:
        if too_deep(document[name], _DEEPEST_UNKNOWN):
            raise DocumentError(f"{name[:40]}: it is nested too deep")
