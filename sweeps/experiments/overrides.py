"""What changes an experiment: its presets, the sizes that a large data set brings, and ``--set key=value``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from phasemap.sweeps.experiments.sweep_file import read_text, read_yaml
from phasemap.theory.errors import InputError

PRESETS_FILE = "presets.yaml"
# Of each pair exactly one is given: an override of one takes the other away.
EXCLUSIVE = {"lr": "lr_per_sample", "lr_per_sample": "lr", "epochs": "steps", "steps": "epochs"}


def presets_of(path: Path) -> dict[str, dict[str, Any]]:
    """The overrides by preset of the experiment in ``path``, from ``presets.yaml`` beside it."""
    return dict(_presets_file(path).get("experiments", {}).get(path.stem, {}))


def sizes_of(path: Path) -> dict[str, Any]:
    """By data set and preset: overrides that come with a data set larger than the preset's own."""
    return dict(_presets_file(path).get("datasets", {}))


def _presets_file(path: Path) -> dict[str, Any]:
    beside = path.parent / PRESETS_FILE
    if not beside.is_file():
        return {}
    presets = read_yaml(read_text(beside), str(beside))
    if not isinstance(presets, dict):
        raise InputError(f"{beside}: expected 'experiments:' with the presets of each")
    return presets


def parse_settings(settings: Iterable[str], mistakes: dict[str, str]) -> dict[str, Any]:
    """``key=value`` texts as overrides; a value is read as YAML (numbers, lists, null, else text). Mistakes are added
    with the name of the parameter that is left out for them."""
    overrides: dict[str, Any] = {}
    for setting in settings:
        from phasemap.theory.errors import unknown_name
        from phasemap.train.parameters import TABLE

        key, separator, text = setting.partition("=")
        key = key.strip().replace("-", "_")
        if not separator or not key:
            mistakes[f"--set {setting}: expected key=value"] = ""
        elif key not in TABLE:
            mistakes[f"--set {setting}: {unknown_name(key, TABLE, 'parameter')}"] = ""
        else:
            try:
                overrides[key] = read_yaml(text, f"--set {setting}")
            except InputError as error:
                mistakes.update(dict.fromkeys(error.messages, key))
    return overrides


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
