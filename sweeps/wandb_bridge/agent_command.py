"""What W&B's agents would start for the tiles of a sweep, read as they read it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from phasemap.sweeps.experiments.arguments import raw_parameters
from phasemap.theory.errors import InputError
from phasemap.train.parameters import normalise

COMMAND = ("${env}", "${program}", "train", "${args_json}")
"""What an agent runs, where the YAML does not say it: the tile's parameters as one JSON object keep their types."""
_FIXED = ("env", "interpreter", "program")
_HANDING_OVER = (
    "args",
    "args_no_equals",
    "args_no_hyphens",
    "args_no_boolean_flags",
    "args_json",
    "args_json_file",
)
"""What agents put a tile's parameters in place of."""
_ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_FILE = "${args_json_file}"
_OPTIONS = ("--out", "--device", "--wandb")
"""Of `phasemap train`: they are no parameters."""


def wrong_command(
    program: str, command: Sequence[str], raw_tiles: Sequence[Mapping[str, Any]], tiles: Sequence[Mapping[str, Any]]
) -> str | None:
    """What is wrong where an agent would not start `phasemap train` with each tile's own parameters; None if it would.

    Args:
        raw_tiles: as written, which is how agents get them. tiles: the same, normalised.
    """
    words = [_ENVIRONMENT.sub(lambda found: os.environ.get(found[1], found[1]), str(word)) for word in command]
    macros = [word[2:-1] for word in words if _is_macro(word)]
    if unknown := [name for name in macros if name not in (*_FIXED, *_HANDING_OVER)]:
        return f"command: ${{{unknown[0]}}}: W&B's agents put nothing in its place"
    if not any(name in _HANDING_OVER for name in macros):
        return f"command: {_shown(words)}: does not hand the parameters over; expected ${{args_json}} at its end"
    for raw, tile in zip(raw_tiles, tiles, strict=True):
        started = [one for word in words for one in (_replaced(word, program, raw) if _is_macro(word) else [word])]
        given = _arguments(started)
        if given is None:
            return (
                f"program, command: agents would start {_shown(started)}; expected phasemap train, as "
                f"'program: phasemap' with 'command: {json.dumps(COMMAND)}' does"
            )
        try:
            received = normalise(dict(raw) if _FILE in given else raw_parameters(given))
        except InputError as error:
            return f"command: agents would start {_shown(started)}, which ends with: {error.messages[0]}"
        for name in {**tile, **received}:
            if tile.get(name) != received.get(name):
                return (
                    f"command: agents would start {_shown(started)}, where {name} is {received.get(name)!r} and not "
                    f"{tile.get(name)!r}; ${{args_json}} hands it over as it is"
                )
    return None


def _is_macro(word: str) -> bool:
    return word.startswith("${") and word.endswith("}")


def _replaced(word: str, program: str, raw: Mapping[str, Any]) -> list[str]:
    """What an agent puts in place of a macro."""
    flags = {name: f"{name}={value}" for name, value in raw.items()}
    true_or_given = [name for name in raw if raw[name] is not False]
    return {
        "env": ["/usr/bin/env"],
        "interpreter": ["python"],
        "program": [program],
        "args": [f"--{flag}" for flag in flags.values()],
        "args_no_equals": [word for name, value in raw.items() for word in (f"--{name}", str(value))],
        "args_no_hyphens": list(flags.values()),
        "args_no_boolean_flags": [f"--{name if raw[name] is True else flags[name]}" for name in true_or_given],
        "args_json": [json.dumps(dict(raw))],
        "args_json_file": [_FILE],
    }[word[2:-1]]


def _arguments(words: Sequence[str]) -> list[str] | None:
    """What `phasemap train` is given of parameters among the words of a command line; None where it is not started."""
    for place in range(len(words) - 1):
        before = words[place - 1] if place else ""
        started = PurePath(words[place]).name == "phasemap" and not PurePath(before).name.startswith("python")
        if started and words[place + 1] == "train":
            rest = list(words[place + 2 :])
            for option in _OPTIONS:
                while option in rest:
                    del rest[rest.index(option) : rest.index(option) + 2]
            return [word for word in rest if not word.startswith(tuple(f"{option}=" for option in _OPTIONS))]
    return None


def _shown(words: Sequence[str]) -> str:
    line = " ".join(words)
    return f"'{line[:77]}…'" if len(line) > 80 else f"'{line}'"
