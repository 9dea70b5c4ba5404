"""What changes an experiment: its presets, and the sizes that a large data set brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from phasemap.sweeps.experiments.yaml_document import read_yaml, read_yaml_file
from phasemap.theory.errors import InputError
from phasemap.train.documents import DocumentError, Scalar, Text, of_schema

PRESETS_FILE = "presets.yaml"
# Of each pair exactly one is given: an override of one takes the other away.
EXCLUSIVE = {"lr": "lr_per_sample", "lr_per_sample": "lr", "epochs": "steps", "steps": "epochs"}
Overrides = dict[Text, Scalar | Annotated[list[Scalar], Meta(min_length=1)]]


class Presets(TypedDict, total=False):
    """``presets.yaml``: overrides by experiment and preset, and by data set and preset."""

    experiments: dict[Text, dict[Text, Overrides]]
    datasets: dict[Text, dict[Text, Overrides]]


def presets_of(path: Path) -> dict[str, dict[str, Any]]:
    """The overrides by preset of the experiment in ``path``, from ``presets.yaml`` beside it.

    Raises:
        InputError: the file beside it cannot be read.
    """
    return _presets_file(path).get("experiments", {}).get(path.stem, {})


def sizes_of(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """By data set and preset: overrides that come with a data set larger than the preset's own. Raises InputError."""
    return _presets_file(path).get("datasets", {})


def _presets_file(path: Path) -> Presets:
    beside = path.parent / PRESETS_FILE
    if not beside.is_file():
        return {}
    try:
        presets: Presets = of_schema(read_yaml(read_yaml_file(beside), str(beside)).value, Presets)
    except DocumentError as error:
        raise InputError(f"{beside}: expected 'experiments:' with the presets of each: {error}") from None
    return presets


def override(document: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The document with parameters replaced; null takes a parameter away.

    A list stays what the file has (tiles under ``values``, stacked under ``value``); where the file has a scalar it
    becomes a stacked axis if the parameter can be stacked, and tiles if it cannot.
    """
    parameters = dict(document["parameters"])
    for name, value in overrides.items():
        if value is None:
            parameters.pop(name, None)
            continue
        if name in EXCLUSIVE and EXCLUSIVE[name] not in overrides:
            parameters.pop(EXCLUSIVE[name], None)
        makes_tiles = isinstance(value, list) and _makes_tiles(name, parameters.get(name, {}))
        parameters[name] = {"values" if makes_tiles else "value": value}
    return {**document, "parameters": parameters}


def _makes_tiles(name: str, old: Mapping[str, Any]) -> bool:
    """Whether a list for the parameter makes tiles; ``old`` is what the file has."""
    if "values" in old or isinstance(old.get("value"), list):
        return "values" in old
    from phasemap.train.parameters import stackable

    return name not in stackable()
