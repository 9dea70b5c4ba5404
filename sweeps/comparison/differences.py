"""What differs between maps, so that a difference of their accuracies can be told from one of their making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from phasemap.sweeps.phase_map.crowded import value_in_words
from phasemap.sweeps.phase_map.shared import value_of
from phasemap.sweeps.verdict.depth_scale import sum_lr_in_words
from phasemap.theory.plural import counted
from phasemap.train.parameters import TABLE

LISTED = 6
"""Values that are named; of more, both ends and how many there are."""
NONE = "-"


def differences(maps: Mapping[str, xr.Dataset]) -> list[str]:
    """A table of what is not the same in all maps, which are called by their letters: parameters (also those of the
    axes), data, dtype, Σ lr and seeds."""
    described = [_described(one) for one in maps.values()]
    names = list(dict.fromkeys(name for one in described for name in one))
    rows = [(name, *(one.get(name, NONE) for one in described)) for name in names]
    rows = [row for row in rows if len(set(row[1:])) > 1]
    if not rows:
        return ["The maps differ in no parameter, nor in data, dtype or seeds."]
    table = [("differs", *maps), *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _described(phase_map: xr.Dataset) -> dict[str, str]:
    """By name, in words."""
    values = {name: _values(phase_map, name) for name, row in TABLE.items() if row.identity and name != "seed"}
    if values["statistics_batch_size"] == values["batch_size"]:  # follows it, unless it is said otherwise
        del values["statistics_batch_size"]
    words = {name: _in_words(name, several) for name, several in values.items() if several}
    words |= dict.fromkeys(filter(None, str(phase_map.attrs.get("varying", "")).split(", ")), "varies")
    seeds = phase_map["seed"].values.tolist() if "seed" in phase_map.coords else []
    return {
        **words,
        "data": str(phase_map.attrs["data"]) or NONE,
        "dtype": str(phase_map.attrs["dtype"]) or NONE,
        "Σ lr": sum_lr_in_words(phase_map),
        "seeds": _in_words("seed", seeds),
    }


def _values(phase_map: xr.Dataset, name: str) -> list[Any]:
    if name in phase_map.attrs:
        return [_of_its_kind(name, phase_map.attrs[name])]
    if name in phase_map.coords:
        entries = np.atleast_1d(phase_map[name].values).tolist()
        return list(dict.fromkeys(_of_its_kind(name, entry) for entry in entries))
    return []


def _of_its_kind(name: str, entry: Any) -> Any:
    """Maps hold true and false as 1 and 0."""
    value = value_of(name, entry)
    return bool(value) if TABLE[name].kind is bool and value is not None else value


def _in_words(name: str, values: Sequence[Any]) -> str:
    texts = [value_in_words(name, value) for value in values]
    if len(texts) <= LISTED:
        return ", ".join(texts) or NONE
    return f"{texts[0]} to {texts[-1]} ({counted(len(texts), 'value')})"
