"""The training loss of a map's networks over their steps, as a variable of the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from phasemap.train.result_types import Content


def with_loss_curves(phase_map: xr.Dataset, contents: Sequence[Content]) -> xr.Dataset:
    """The map with ``loss_curve``, the mean training loss (nat) since the point before, and ``loss_step``, the step at
    which each point ends; both over the map's dimensions and ``point``, NaN behind a curve's end.

    Args:
        contents: the results that the map was made of; of a cell that is there twice the first counts.
    """
    axes = tuple(str(name) for name in phase_map["outcome"].dims)
    places = [{value: i for i, value in enumerate(phase_map[axis].values.tolist())} for axis in axes]
    curves: dict[tuple[int, ...], tuple[list[int], list[float | None]]] = {}
    for content in contents:
        for cell in content["cells"]:
            known = {**content["parameters"], **cell["parameters"], "seed": cell["seed"]}
            at = tuple(place.get(known.get(axis, 0), -1) for axis, place in zip(axes, places, strict=True))
            if min(at) >= 0:
                curves.setdefault(at, (cell["history"]["step"], cell["history"]["loss"]))
    longest = max((len(steps) for steps, _ in curves.values()), default=0)
    step, loss = (np.full((*phase_map["outcome"].shape, longest), np.nan) for _ in range(2))
    for at, (steps, losses) in curves.items():
        step[at][: len(steps)] = steps
        loss[at][: len(losses)] = [np.nan if value is None else value for value in losses]
    dimensions = (*axes, "point")
    return phase_map.assign(
        loss_step=xr.Variable(dimensions, step, {"units": "steps"}),
        loss_curve=xr.Variable(dimensions, loss, {"units": "nat", "long_name": "training loss"}),
    )
