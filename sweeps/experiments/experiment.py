"""An experiment: a W&B sweep file, the overrides of a preset and of ``--set``, and the tiles that follow from it.

``values:`` of several entries make tiles (their product); ``value:`` with a list is a stacked axis within every tile.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from phasemap.sweeps.experiments.departures import departures, in_words
from phasemap.sweeps.experiments.overrides import PRESETS_FILE, override, presets_of, sizes_of
from phasemap.sweeps.experiments.settings import parse_settings
from phasemap.sweeps.experiments.sweep_file import parse_sweep
from phasemap.sweeps.experiments.yaml_document import read_yaml_file
from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.theory.shown import shown

EXPERIMENTS = Path(__file__).parent
PAPER = "paper"
MOST_TILES = 20_000
"""Of an experiment: each is a file, and may be a W&B run."""


@dataclass(frozen=True)
class Experiment:
    """One experiment with every override applied.

    Attributes:
        name: the file's stem; also the W&B sweep's name.
        preset: ``paper`` (the YAML as it is) or the name of its overrides.
        document: the W&B sweep file that says the same without presets.
        where: the line of the YAML in which a parameter stands, for messages; under "" the file.
        mistakes: what is wrong with the file, the preset and the settings themselves: each message with the name of the
            parameter that is left out for it, if any. `tiles` tells them together with those of the tiles.
    """

    name: str
    preset: str
    document: Mapping[str, Any]
    where: Mapping[str, str]
    mistakes: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name, and which of its presets it is; of a user's own file without presets, that there is none."""
        own = self.preset == PAPER and self.name not in available()
        return f"{self.name}, without a preset" if own else f"{self.name}, preset {self.preset}"

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter with its scalar or list, whether it makes tiles or is stacked."""
        return _parameters(self.document)

    @property
    def tile_axes(self) -> dict[str, list[Any]]:
        """The parameters that make one tile per value."""
        return {name: entry["values"] for name, entry in self.document["parameters"].items() if "values" in entry}

    @property
    def fixed(self) -> dict[str, Any]:
        """The parameters that all tiles share, as written."""
        return {name: entry["value"] for name, entry in self.document["parameters"].items() if "value" in entry}

    @property
    def tile_count(self) -> int:
        """How many tiles there are."""
        return math.prod(map(len, self.tile_axes.values()))

    def raw_tiles(self) -> list[dict[str, Any]]:
        """Every tile's parameters as written, not validated."""
        axes = self.tile_axes
        return [{**self.fixed, **dict(zip(axes, point, strict=True))} for point in itertools.product(*axes.values())]

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
        """Once for a file of thousands of tiles, which are asked for in several places.

        Raises:
            InputError: there are more tiles or cells than anybody trains; they are counted before they are made.
        """
        from phasemap.train.cells import same_training
        from phasemap.train.parameters import MOST_CELLS, checked
        from phasemap.train.planning.cost import cell_count

        if self.tile_count > MOST_TILES:
            axes = ", ".join(f"{name} ({len(values)})" for name, values in self.tile_axes.items())
            raise InputError(
                f"{self.name}: {counted(self.tile_count, 'tile')}, one per value of {axes}: expected at most"
                f" {MOST_TILES}"
            )
        count = 0
        mistakes = dict.fromkeys(self.mistakes)
        tiles: list[dict[str, Any]] = []
        seen: dict[Hashable, dict[str, Any]] = {}
        for raw in self.raw_tiles():
            tile, wrong = checked(raw)
            count += cell_count(tile)
            if count > MOST_CELLS and not wrong:
                raise InputError(
                    f"{self.name}: {counted(self.tile_count, 'tile')} of {counted(cell_count(tile), 'cell')}: expected"
                    f" at most {MOST_CELLS} cells in all"
                )
            mistakes.update(dict.fromkeys(self.told(wrong)))
            same = seen.setdefault(same_training(tile), raw)
            if same is not raw and not wrong:
                spelt = [f"{name}={raw[name]}" for name in self.tile_axes]
                mistakes[f"{self.name}: two tiles are the same training: {', '.join(spelt)}"] = None
            tiles.append(tile)
        return tiles, list(mistakes)

    def sound(self) -> Experiment:
        """Itself, where its file, and every value by itself, is right: for those who do not ask for the tiles.

        Raises:
            InputError: one line for every mistake.
        """
        from phasemap.train.parameter_rows.values import read_value
        from phasemap.train.parameters import TABLE

        mistakes = dict.fromkeys(self.mistakes)
        for name, value in self.parameters.items():
            if name not in TABLE:  # of a later version
                continue
            for one in value if name in self.tile_axes else [value]:
                try:
                    read_value(name, TABLE[name], one, TABLE)
                except ValueError as error:
                    mistakes.update(dict.fromkeys(map(self.located, str(error).splitlines())))
        if mistakes:
            raise InputError(*mistakes)
        return self

    def told(self, messages: Iterable[str]) -> list[str]:
        """The messages with their places, without those about a parameter that a mistake of the file has left out."""
        left_out = set(self.mistakes.values())
        return [self.located(each) for each in messages if left_out.isdisjoint(re.findall(r"\w+", each))]

    def located(self, message: str) -> str:
        """The message with the place of the parameter that it is about: the first one that it names."""
        name = next((word for word in re.findall(r"\w+", message) if word in self.where), "")
        return f"{self.where.get(name) or self.where.get('', self.name)}: {message}"

    def text(self) -> str:
        """The experiment as a YAML file that ``wandb sweep`` and ``phasemap run`` accept."""
        header = f"# {shown(self.title)}, with every override in place.\n"
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
    document, where, mistakes = parse_sweep(read_yaml_file(path), source)
    presets = presets_of(path)
    unknown = f"{path.stem}: unknown preset {preset!r}: expected one of {', '.join([*presets, PAPER])}"
    if preset != PAPER and preset not in presets:
        mistakes[unknown] = ""
    own = parse_settings(settings, mistakes)
    if unknown in mistakes and presets and "dataset" not in own:
        mistakes[unknown] = "dataset"  # that of the whole grid was not asked for, and need not be here
    document = override(document, presets.get(preset, {}))
    document = override(document, own)
    where = {**where, **dict.fromkeys(presets.get(preset, {}), f"preset {preset}"), **dict.fromkeys(own, "--set")}
    data_set = document["parameters"].get("dataset", {}).get("value")
    sizes = sizes_of(path).get(data_set, {}).get(preset, {}) if isinstance(data_set, str) else {}
    given = {name for name, value in presets.get(preset, {}).items() if value is not None} | set(own)
    document = override(document, {name: value for name, value in sizes.items() if name not in given})
    if own and (changed := departures_from(path, _parameters(document))):
        figure = str(document.get("description", path.stem)).partition(":")[0]
        document["description"] = f"{figure} with {in_words(changed)}"
    return Experiment(path.stem, preset, _portable(document), where, mistakes)


def departures_from(path: Path, parameters: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What makes of the experiment in ``path``, if it is built in, another figure: parameters with their values here
    and there. Nothing for a user's own, of which nobody knows what it shows."""
    if path.parent != EXPERIMENTS:
        return {}
    document, _, _ = parse_sweep(read_yaml_file(path), path.name)
    scales = [document, *(override(document, preset) for preset in presets_of(path).values())]
    return departures([_parameters(one) for one in scales], parameters)


def from_text(text: str, *, name: str, preset: str, source: str) -> Experiment:
    """The experiment that `Experiment.text` wrote (``source`` names the file in messages)."""
    document, where, mistakes = parse_sweep(text, source)
    return Experiment(name, preset, document, where, mistakes)


def _parameters(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.get("values", entry.get("value")) for name, entry in document["parameters"].items()}


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
