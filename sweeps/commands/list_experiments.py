"""``phasemap list``: every figure of both papers, and what it takes. Imports no numerics: it must answer at once."""

from __future__ import annotations

from typing import Any

from phasemap.sweeps.experiments.experiment import PAPER, Experiment, available, load, presets_of
from phasemap.train.planning.cost import Cost, cell_count, cost, duration

WITHOUT_TRAINING: dict[str, tuple[str, float]] = {
    "bn-fig1": ("Fig. 1: gradients, eigenvalues and the fixed point's loss of symmetry, beside sampled networks", 50.0),
    "bn-fig1a": ("Fig. 1(a): backward eigenvalues over batch size", 20.0),
    "bn-fig1b": ("Fig. 1(b): gradients over depth", 18.0),
    "bn-fig1c": ("Fig. 1(c): the transition of alpha-ReLU", 7.0),
    "bn-fig1d": ("Fig. 1(d): covariances on both sides of it", 1.0),
    "bn-fig2": ("Figs. 2 and 6: two mini-batches of a circle, layer by layer", 6.0),
    "bn-fig10": ("Fig. 10: what each Gegenbauer degree of an activation does to the fixed point's stability", 1.0),
    "bn-eigenvalues": ("beyond the paper: every eigenvalue over batch size", 1.0),
    "bn-map-gamma": ("beyond the paper: depth scale over batch size and gamma, tanh", 2.0),
    "bn-map-beta": ("beyond the paper: depth scale over batch size and beta, relu", 3.0),
    "bn-map-eps-tanh": ("beyond the paper: depth scale over batch size and eps, tanh", 4.0),
    "bn-map-eps-relu": ("beyond the paper: depth scale over batch size and eps, relu", 8.0),
    "bn-small-batches": ("App. J: batches of 2 to 8 over the width", 9.0),
    "bn-width-transition": ("App. J: an activation that wide networks keep symmetric", 9.0),
    "bn-relu30": ("Remark K.7: gradients of max(z, 0)^30 in float32, float64 and 150 digits", 1.0),
    "vv-fig1": ("Fig. 1: width variation, beside sampled networks", 17.0),
    "vv-figA1": ("Fig. A.1: p, s, e and gradient ratios over the zig of ReLU networks", 6.0),
    "vv-figA2": ("Fig. A.2: the same over the zag", 6.0),
    "vv-figB3": ("Fig. B.3: gradient ratios of ReLU networks against Thm C.11", 5.0),
    "vv-figB4": ("Fig. B.4: p and its increments of ReLU networks against Thm C.9", 9.0),
}
"""What ``phasemap theory figure NAME`` draws: what it shows, and seconds of one CPU core (measured, at the quick scale
of what it samples)."""


def listing() -> str:
    """A paragraph per experiment: what it shows, its axes, each preset's cost; a line per figure without training."""
    lines = ["Trained: phasemap run NAME --preset PRESET", ""]
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
    return [
        {
            "name": name,
            "kind": "theory figure",
            "description": description,
            "command": f"phasemap theory figure {name}",
            "cpu_seconds": seconds,
        }
        for name, (description, seconds) in WITHOUT_TRAINING.items()
    ]


def _preset(experiment: Experiment) -> dict[str, Any]:
    tiles = experiment.raw_tiles()
    price = sum(map(cost, tiles), Cost())
    return {
        "tiles": len(tiles),
        "cells": sum(map(cell_count, tiles)),
        "dataset": experiment.parameters["dataset"],
        "flops": price.flops,
        "cpu_seconds": price.seconds("cpu"),
        "gpu_seconds": price.seconds("cuda"),
    }


def _in_words(preset: dict[str, Any]) -> str:
    cpu, gpu = duration(preset["cpu_seconds"]), duration(preset["gpu_seconds"])
    return (
        f"{preset['tiles']:4} tiles {preset['cells']:6} cells  {preset['dataset']:8} {preset['flops']:8.2g} FLOP:"
        f" {cpu} on a CPU core, {gpu} on a GPU"
    )
