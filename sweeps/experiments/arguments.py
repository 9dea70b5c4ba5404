"""The parameters of one tile as ``phasemap train`` is given them, by hand or by a W&B agent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.train.documents import DocumentError, Scalar, from_json, of_schema, read_text

LARGEST = 2**22
"""Bytes of the largest JSON file of parameters that is read."""


def raw_parameters(arguments: Sequence[str]) -> dict[str, Any]:
    """``--key value``, ``--key=value``, JSON objects and files of one (``….json``), in any mix, as raw parameters;
    dashes in keys are underscores.

    Raises:
        InputError: one line for every argument that is none of these, and for every key given twice.
    """
    raw: dict[str, Any] = {}
    mistakes: list[str] = []

    def take(key: str, value: Any) -> None:
        key = key.replace("-", "_")
        if key in raw and raw[key] != value:
            mistakes.append(f"{key}: given twice: {raw[key]!r} and {value!r}")
        raw[key] = value

    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument.lstrip().startswith("{") or (argument.endswith(".json") and not argument.startswith("--")):
            try:
                for key, value in _object(argument).items():
                    take(key, value)
            except DocumentError as error:
                mistakes.append(f"{argument[:40]!r}: not a JSON object of parameters: {error}")
        elif not argument.startswith("--"):
            mistakes.append(f"{argument!r}: expected --key value, --key=value, a JSON object or a file of one")
        elif "=" in argument:
            key, _, value = argument[2:].partition("=")
            take(key, value)
        elif rest and not rest[0].startswith("--"):
            take(argument[2:], rest.pop(0))
        else:
            mistakes.append(f"{argument}: has no value")
    if mistakes:
        raise InputError(*mistakes)
    return raw


def _object(argument: str) -> dict[str, Any]:
    """The JSON object that an argument is, or names. Raises DocumentError."""
    from phasemap.train.parameters import TABLE

    text = argument
    if not argument.lstrip().startswith("{"):
        try:
            text = read_text(Path(argument), LARGEST)
        except OSError as error:
            raise DocumentError(f"cannot be read: {error.strerror}") from None
    document: dict[str, Any] = from_json(text, dict[str, Any])
    for key, value in document.items():
        if key in TABLE:
            try:
                of_schema(value, Scalar | list[Scalar])
            except DocumentError as error:
                raise DocumentError(f"{key}: {error}") from None
    return document
