"""What networks a picture shows and how they were trained, in words: what every caption holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import xarray as xr

from phasemap.theory.activations import BUILT_IN, activation
from phasemap.train.families.catalogue import DEFAULT, FAMILIES
from phasemap.train.parameters import TABLE

OPTIMIZERS = {"sgd": "SGD", "rmsprop": "RMSProp"}
SYMBOLS = {"eps": "ε", "gamma": "γ", "beta": "β", "train_bn": "γ, β trained"}
LISTED = 4
"""Values of a parameter that a caption lists; of more it gives the range."""
SEPARATOR = " · "

Values = Mapping[str, Sequence[Any]]
"""The values that each parameter has over the networks of a picture, each once, in order."""


def values_of_map(phase_map: xr.Dataset) -> dict[str, list[Any]]:
    """What all networks of a map share, and what changes along one of its axes."""
    shared = {name: [value] for name, value in phase_map.attrs.items() if name in TABLE}
    along = {str(name): list(dict.fromkeys(phase_map[name].values.tolist())) for name in phase_map.coords}
    return {**shared, **{name: values for name, values in along.items() if name in TABLE}}


def networks_in_words(values: Values, on_axes: Collection[str] = ()) -> str:
    """``FAMILY, φ = relu, width 96, ε = 0.001``, and what is not as usual.

    Args:
        on_axes: parameters that the picture's axes show; of these only φ, width and ε are named again.
    """
    names = _families(values)
    rows = {name: row for one in names for name, row in FAMILIES[one].rows.items()}
    constant = {name: text for one in names for name, text in FAMILIES[one].constant.items()}
    widths = next((values[name] for name in ("width", "widths") if name in values), None)
    phi = ", ".join(dict.fromkeys(_phi(values))) if "activation" in values else constant.get("activation")
    width = constant.get("width") if widths is None else listed(widths)
    parts = [*names, *([f"φ = {phi}"] if phi else []), *([f"width {width}"] if width else [])]
    needed = {name: other for one in names for name, other in FAMILIES[one].only_with.items()}
    idle = {name for name, (other, value) in needed.items() if value not in values.get(other, [value])}
    parts += [f"ε = {listed(values['eps'])}"] if "eps" in values and "eps" not in idle else []
    named = {"architecture", "activation", "slope", "alpha", "width", "widths", "eps", *on_axes, *idle}
    parts += [f"depth {listed(values['depth'])}"] if "depth" in values and "depth" not in named else []
    alike: dict[str, list[str]] = {}
    for name, row in rows.items():
        if name in named or name == "depth" or name not in values:
            continue
        if name.startswith("beta_") or list(values[name]) != [row.default]:
            alike.setdefault(listed(values[name]), []).append(SYMBOLS.get(name, _greek(name)))
    return ", ".join([*parts, *(f"{' = '.join(symbols)} = {value}" for value, symbols in alike.items())])


def training_in_words(values: Values, on_axes: Collection[str] = ()) -> str:
    """``SGD, learning rate 0.01, batches of 32``: the optimizer with what belongs to it."""
    parts = [OPTIMIZERS.get(str(name), str(name)) for name in values.get("optimizer", [])]
    parts += [f"momentum {listed(values['momentum'])}"] if list(values.get("momentum", [0.0])) != [0.0] else []
    for name, words in (("lr", "learning rate"), ("lr_per_sample", "learning rate a sample")):
        parts += [f"{words} {listed(values[name])}"] if name in values and name not in on_axes else []
    batch, statistics = values.get("batch_size", []), values.get("statistics_batch_size", [])
    parts += [f"batches of {listed(batch)}"] if batch and "batch_size" not in on_axes else []
    if list(statistics) != list(batch) and statistics and "statistics_batch_size" not in on_axes:
        parts.append(f"statistics of {listed(statistics)}")
    own = {name for one in _families(values) for name in FAMILIES[one].training_rows}
    parts += [f"{name.replace('_', ' ')} {listed(values[name])}" for name in TABLE if name in own & set(values)]
    return ", ".join(parts)


def listed(values: Sequence[Any]) -> str:
    """``0.001, 0.1, 1``, or ``0.001 to 4`` where there are many."""
    texts = [_text(value) for value in values]
    return ", ".join(texts) if len(texts) <= LISTED else f"{texts[0]} to {texts[-1]}"


def in_lines(caption: str, most: int) -> str:
    """The caption in lines of at most ``most`` characters, broken between its parts."""
    lines: list[str] = []
    for part in caption.split(SEPARATOR):
        if lines and len(lines[-1]) + len(SEPARATOR) + len(part) <= most:
            lines[-1] += SEPARATOR + part
        else:
            lines.append(part)
    return "\n".join(lines)


def _families(values: Values) -> list[str]:
    return [str(name) for name in values.get("architecture", [DEFAULT])]


def _phi(values: Values) -> list[str]:
    """Each activation with the parameters that it has: ``leaky-relu slope=0.01``."""
    return [
        activation(name, slope=float(slope), alpha=float(alpha)).label if name in BUILT_IN else name.rpartition(":")[2]
        for name in map(str, values["activation"])
        for slope in values.get("slope", [0.01])
        for alpha in values.get("alpha", [1.0])
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _greek(name: str) -> str:
    return name.replace("depth_scaling_", "δ_").replace("sigma_", "σ_").replace("beta_", "β_")
