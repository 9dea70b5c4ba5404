"""What is written over a map: the metrics in words, and what its numbers depend on."""

from __future__ import annotations

import xarray as xr

from phasemap.sweeps.figures.conditions import SEPARATOR, networks_in_words, training_in_words, values_of_map
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.verdict.depth_scale import sum_lr_in_words
from phasemap.theory.plural import counted
from phasemap.theory.shown import shown
from phasemap.train.families.catalogue import DEFAULT, family

TITLES = {
    "test_accuracy": "test accuracy, running statistics",
    "test_accuracy_batch": "test accuracy, batch statistics",
    "train_accuracy": "training accuracy, running statistics",
    "train_accuracy_batch": "training accuracy, batch statistics",
    "test_loss": "test loss",
    "train_loss": "training loss",
}


def has_batch_statistics(phase_map: xr.Dataset) -> bool:
    """Whether the map's networks can be evaluated in two ways: with running statistics, and with those of a batch."""
    return family(phase_map.attrs.get("architecture", DEFAULT)).uses_batch_statistics


def titles(phase_map: xr.Dataset) -> dict[str, str]:
    """The metrics in words; networks without batch statistics have none to tell apart."""
    if has_batch_statistics(phase_map):
        return TITLES
    return {metric: words.partition(",")[0] for metric, words in TITLES.items()}


def caption(phase_map: xr.Dataset) -> str:
    """What the numbers depend on: data set with its subsets, networks, optimizer, steps, Σ lr, seeds, dtype."""
    attributes = phase_map.attrs
    values = values_of_map(phase_map)
    axes = [name for which in ("x", "y") for axis in [map_axis(phase_map, which)] for name in (axis.name, *axis.linked)]
    steps = phase_map["steps"].values[phase_map["outcome"].values == "finished"]
    training = [training_in_words(values, axes)]
    if steps.size:
        low, high = int(steps.min()), int(steps.max())
        training.append(counted(low, "step") if low == high else f"{low} to {high} steps")
    if "sum_lr" in attributes:
        training.append(f"Σ lr = {sum_lr_in_words(phase_map)}")
    runs = [counted(phase_map.sizes["seed"], "seed"), attributes["dtype"]]
    parts = [
        attributes["experiment"],
        str(attributes["data"]).split(", digest")[0] or "no data yet",
        networks_in_words(values, axes),
        ", ".join(training),
        ", ".join(str(part) for part in runs if part),
    ]
    return shown(SEPARATOR.join(str(part) for part in parts if part))
