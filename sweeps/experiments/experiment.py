"""An experiment: a W&B sweep file, the overrides of a preset and of ``--set``, and the tiles that follow from it.

``values:`` of several entries make tiles (their product); ``value:`` with a list is a stacked axis within every tile.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from phasemap.theory.errors import InputError

EXPERIMENTS = Path(__file__).parent
PRESETS_FILE = "presets.yaml"
PAPER = "paper"
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
# Of each pair exactly one is given: an override of one takes the other away.
EXCLUSIVE = {"lr": "lr_per_sample", "lr_per_sample": "lr", "epochs": "steps", "steps": "epochs"}


@dataclass(frozen=True)
class Experiment:
    """One experiment with every override applied.

    Attributes:
        name: the file's stem; also the W&B sweep's name.
        preset: ``paper`` (the YAML as it is) or the name of its overrides.
        document: the W&B sweep file that says the same without presets.
        where: the line of the YAML in which a parameter stands, for messages.
        mistakes: what is wrong with the file, the preset and the settings themselves: each message with the name of the
            parameter that is left out for it, if any. `tiles` tells them together with those of the tiles.
    """

    name: str
    preset: str
    document: Mapping[str, Any]
    where: Mapping[str, str]
    mistakes: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter with its scalar or list, whether it makes tiles or is stacked."""
        return {name: entry.get("values", entry.get("value")) for name, entry in self.document["parameters"].items()}

    @property
    def tile_axes(self) -> dict[str, list[Any]]:
        """The parameters that make one tile per value."""
        return {name: entry["values"] for name, entry in self.document["parameters"].items() if "values" in entry}

    def raw_tiles(self) -> list[dict[str, Any]]:
        """Every tile's parameters as written, not validated."""
        fixed = {name: entry["value"] for name, entry in self.document["parameters"].items() if "value" in entry}
        axes = self.tile_axes
        return [{**fixed, **dict(zip(axes, point, strict=True))} for point in itertools.product(*axes.values())]

    def tiles(self) -> list[dict[str, Any]]:
        """Every tile's parameters, normalised, the last ``values`` axis fastest.

        Raises:
            InputError: one line for every mistake in the file, the preset, the settings and any of the tiles.
        """
        tiles, mistakes = self.checked()
        if mistakes:
            raise InputError(*mistakes)
        return tiles

    def checked(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Every tile, with the default in place of what is wrong; and every mistake."""
        tiles, mistakes = self._checked
        return list(tiles), list(mistakes)

    @cached_property
    def _checked(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Once for a file of thousands of tiles, which are asked for in several places."""
        from phasemap.train.parameters import checked, identity

        mistakes = dict.fromkeys(self.mistakes)
        left_out = set(self.mistakes.values())
        tiles: list[dict[str, Any]] = []
        seen: dict[str, dict[str, Any]] = {}
        for raw in self.raw_tiles():
            tile, wrong = checked(raw)
            told = [message for message in wrong if left_out.isdisjoint(re.findall(r"\w+", message))]
            mistakes.update(dict.fromkeys(map(self.located, told)))
            same = seen.setdefault(repr(identity(tile)), raw)
            if same is not raw and not wrong:
                spelt = [f"{name}={raw[name]}" for name in self.tile_axes]
                mistakes[f"{self.name}: two tiles are the same training: {', '.join(spelt)}"] = None
            tiles.append(tile)
        return tiles, list(mistakes)

    def located(self, message: str) -> str:
        """The message with the place of the parameter that it is about: the first one that it names."""
        name = next((word for word in re.findall(r"\w+", message) if word in self.where), "")
        return f"{self.where.get(name, self.name)}: {message}"

    def text(self) -> str:
        """The experiment as a YAML file that ``wandb sweep`` and ``phasemap run`` accept."""
        header = f"# {self.name}, preset {self.preset}, with every override in place.\n"
        return header + yaml.safe_dump(dict(self.document), sort_keys=False, width=120, default_flow_style=None)


def available() -> dict[str, Path]:
    """The built-in experiments by name."""
    return {path.stem: path for path in sorted(EXPERIMENTS.glob("*.yaml")) if path.name != PRESETS_FILE}


def find(name_or_file: str) -> Path:
    """The file of a built-in experiment or of the user's own. Raises InputError if there is none."""
    built_in = available()
    if name_or_file in built_in:
        return built_in[name_or_file]
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise InputError(f"{name_or_file}: there is no such file")
        return path
    near = difflib.get_close_matches(name_or_file, built_in, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "see phasemap list; a file of your own ends in .yaml"
    raise InputError(f"unknown experiment {name_or_file!r}; {hint}")


def load(name_or_file: str, preset: str = PAPER, settings: Iterable[str] = ()) -> Experiment:
    """The experiment with the overrides of ``preset`` and then of ``settings`` (texts ``key=value``).

    Raises:
        InputError: the file cannot be read, or not as an experiment. Other mistakes are told by `Experiment.tiles`.
    """
    path = find(name_or_file)
    source = str(path) if path.parent != EXPERIMENTS else path.name
    document, where, mistakes = _parse_sweep_text(_read_text(path), source)
    presets = presets_of(path)
    if preset != PAPER and preset not in presets:
        mistakes[f"{path.stem}: unknown preset {preset!r}: expected one of {', '.join([*presets, PAPER])}"] = ""
    own = _parse_settings(settings, mistakes)
    document = _override(document, presets.get(preset, {}))
    document = _override(document, own)
    where = {**where, **dict.fromkeys(presets.get(preset, {}), f"preset {preset}"), **dict.fromkeys(own, "--set")}
    data_set = document["parameters"].get("dataset", {}).get("value")
    sizes = _sizes(path).get(data_set, {}).get(preset, {}) if isinstance(data_set, str) else {}
    given = {name for name, value in presets.get(preset, {}).items() if value is not None} | set(own)
    document = _override(document, {name: value for name, value in sizes.items() if name not in given})
    return Experiment(path.stem, preset, _portable(document), where, mistakes)


def from_text(text: str, *, name: str, preset: str, source: str) -> Experiment:
    """The experiment that `Experiment.text` wrote (``source`` names the file in messages)."""
    document, where, mistakes = _parse_sweep_text(text, source)
    return Experiment(name, preset, document, where, mistakes)


def _portable(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the user's home folder written as ``~``, where a parameter names a file below it."""
    from phasemap.train.provenance import below_home

    def portable(value: Any) -> Any:
        if isinstance(value, list):
            return [portable(each) for each in value]
        return below_home(value) if isinstance(value, str) else value

    parameters = {
        name: {kind: portable(value) for kind, value in entry.items()} for name, entry in document["parameters"].items()
    }
    return {**document, "parameters": parameters}


def presets_of(path: Path) -> dict[str, dict[str, Any]]:
    """The overrides by preset of the experiment in ``path``, from ``presets.yaml`` beside it."""
    return dict(_presets_file(path).get("experiments", {}).get(path.stem, {}))


def _sizes(path: Path) -> dict[str, Any]:
    """By data set and preset: overrides that come with a data set larger than the preset's own."""
    return dict(_presets_file(path).get("datasets", {}))


def _presets_file(path: Path) -> dict[str, Any]:
    beside = path.parent / PRESETS_FILE
    if not beside.is_file():
        return {}
    presets = _read_yaml(_read_text(beside), str(beside))
    if not isinstance(presets, dict):
        raise InputError(f"{beside}: expected 'experiments:' with the presets of each")
    return presets


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"{path}: cannot be read: {reason}") from None


@lru_cache(maxsize=256)  # `phasemap list` asks for each file several times; nobody changes what comes back
def _read_yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{min(mark.line + 1, len(text.splitlines()))}" if mark else ""  # a mark may lie behind the end
        raise InputError(f"{source}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None


def _parse_sweep_text(text: str, source: str) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """The document without malformed entries, the place (``file:line``) of every parameter, and every mistake with the
    name of the parameter that is left out for it. Raises InputError if it is no sweep file at all."""
    document = _read_yaml(text, source)
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


def _parse_settings(settings: Iterable[str], mistakes: dict[str, str]) -> dict[str, Any]:
    """``key=value`` texts as overrides; a value is read as YAML (numbers, lists, null, else text). Mistakes are added
    with the name of the parameter that is left out for them."""
    overrides: dict[str, Any] = {}
    for setting in settings:
        from phasemap.train.parameters import TABLE, unknown_key

        key, separator, text = setting.partition("=")
        key = key.strip().replace("-", "_")
        if not separator or not key:
            mistakes[f"--set {setting}: expected key=value"] = ""
        elif key not in TABLE:
            mistakes[f"--set {setting}: {unknown_key(key, TABLE)}"] = ""
        else:
            try:
                overrides[key] = _read_yaml(text, f"--set {setting}")
            except InputError as error:
                mistakes.update(dict.fromkeys(error.messages, key))
    return overrides


def _override(document: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
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
    from phasemap.train.parameters import STACKABLE  # imports scipy: not for `phasemap list`

    return name not in STACKABLE
