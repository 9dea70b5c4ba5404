"""``phasemap list``: every figure of both papers, and what it takes. Imports no numerics: it must answer at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from phasemap.theory.plural import counted

if TYPE_CHECKING:
    from phasemap.sweeps.experiments.experiment import Experiment


def command(
    as_json: Annotated[bool, typer.Option("--json", help="one strict JSON list, an object per figure")] = False,
) -> None:
    """Every figure of both papers: axes, presets, cost, and those that need no training.

    Example: phasemap list
    """
    if as_json:
        from phasemap.theory.shown import print_json

        print_json(records())
    else:
        print(listing())


def listing() -> str:
    """A paragraph per experiment: what it shows, its axes, each preset's cost; a line per figure without training."""
    from phasemap.train.planning.cost import duration

    lines = [
        "Trained: phasemap run NAME --preset PRESET, quick if none is given (cost in float32; --check counts float64"
        " where it is needed)",
        "",
    ]
    for record in experiments():
        lines.append(f"{record['name']}: {record['description']}")
        lines.append(f"    axes: {record['x_axis']} x {record['y_axis']}; overlay: {record['overlay']}")
        lines += [f"    --preset {name:6} {_in_words(preset)}" for name, preset in record["presets"].items()]
    lines += ["", "Without training: phasemap theory figure NAME", ""]
    for record in theory_figures():
        lines.append(f"{record['name']:20} {duration(record['cpu_seconds']):>6}  {record['description']}")
    return "\n".join(lines)


def records() -> list[dict[str, Any]]:
    """The same for a program: one object per figure, ``kind`` says whether it is trained."""
    return [*experiments(), *theory_figures()]


def experiments() -> list[dict[str, Any]]:
    """Name, description, axes, overlay, and tiles, cells and cost of every preset."""
    from phasemap.sweeps.experiments.experiment import PAPER, available, load, presets_of

    found = []
    for name, path in available().items():
        paper = load(name)
        presets = {preset: load(name, preset) for preset in presets_of(path)} | {PAPER: paper}
        found.append(
            {
                "name": name,
                "kind": "experiment",
                "description": str(paper.document.get("description", "")),
                "command": f"phasemap run {name}",
                **{key: paper.parameters[key] for key in ("x_axis", "y_axis", "overlay")},
                "presets": {preset: _preset(experiment) for preset, experiment in presets.items()},
            }
        )
    return found


def theory_figures() -> list[dict[str, Any]]:
    """Name, description and cost of every figure without training."""
    from phasemap.sweeps.figures import catalogue

    return [
        {
            "name": figure.name,
            "kind": "theory figure",
            "description": figure.shows,
            "command": f"phasemap theory figure {figure.name}",
            "cpu_seconds": figure.seconds,
        }
        for figure in catalogue.theory_figures()
    ]


def _preset(experiment: Experiment) -> dict[str, Any]:
    from phasemap.train.planning.cost import cell_count, grid_cost

    price = grid_cost(experiment.fixed, experiment.tile_axes)
    return {
        "tiles": price.tiles,
        "cells": price.tiles * cell_count(experiment.fixed),
        "dataset": experiment.parameters["dataset"],
        "flops": price.flops,
        "cpu_seconds": price.seconds("cpu"),
        "gpu_seconds": price.seconds("cuda"),
    }


def _in_words(preset: dict[str, Any]) -> str:
    from phasemap.train.planning.cost import duration

    cpu, gpu = duration(preset["cpu_seconds"]), duration(preset["gpu_seconds"])
    return (
        f"{counted(preset['tiles'], 'tile'):>10} {counted(preset['cells'], 'cell'):>12}  {preset['dataset']:8}"
        f" {preset['flops']:8.2g} FLOP: {cpu} on a CPU core, {gpu} on a GPU"
    )
