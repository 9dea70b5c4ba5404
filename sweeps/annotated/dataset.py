"""A phase map with ξ, the predicted line, the frontier and κ in it, or with the quantities of its theory."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from phasemap.sweeps.overlays.map_theory import MapTheory
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.sweeps.verdict.judgement import Judgement, judge

LAYERS = "layers"


def annotated(phase_map: xr.Dataset, metric: str | None = None) -> xr.Dataset:
    """The map, and beside its own variables:

    * along the horizontal axis, where its theory has a depth scale: ``xi``, ``predicted_depth`` (the line as drawn,
      16 ξ), ``regime``, ``fixed_point``, ``reason`` (why there is no ξ), ``frontier`` (NaN where censored) and
      ``censored``;
    * on its squares: the theory's quantities, such as ``depth_over_xi`` or ``theory_p``;
    * as attributes, where there is a frontier: ``kappa``, ``kappa_low``, ``kappa_high`` (95 %), and ``judged_metric``,
      the accuracy that the frontier belongs to; where ξ is the same in every column ``multiple_low`` and
      ``multiple_high``, between which frontier/ξ lies, in place of κ.

    Variables have ``units`` and ``long_name``. What does not exist is NaN, or no attribute.

    Args:
        metric: what is judged; the map's own if not given.
    """
    judged = judge(phase_map, metric or str(phase_map.attrs["metric"]))
    found = phase_map.assign(_quantities(phase_map, judged.theory))
    if judged.agreement is not None:
        found = found.assign(_columns(phase_map, judged.agreement))
    return found.assign_attrs(verdict=judged.verdict, **_numbers(judged))


def _quantities(phase_map: xr.Dataset, theory: MapTheory) -> dict[str, xr.Variable]:
    axes = (phase_map.attrs["y_axis"], phase_map.attrs["x_axis"])
    return {
        theory.variables.get(label, _letters(label)): xr.Variable(axes, values, {"long_name": label, "units": "1"})
        for label, values in theory.quantities.items()
    }


def _letters(label: str) -> str:
    return re.sub(r"\W+", "_", label).strip("_")


def _columns(phase_map: xr.Dataset, agreement: Agreement) -> dict[str, xr.Variable]:
    axis, predicted, frontier = phase_map.attrs["x_axis"], agreement.prediction, agreement.frontier
    columns = phase_map.sizes[axis]
    layers = {
        "xi": (predicted.xi, "depth scale of gradients"),
        "predicted_depth": (predicted.factor * predicted.xi, f"{predicted.factor:g} ξ"),
        "frontier": (frontier.depth, "depth with half of the best accuracy's lead over chance"),
    }
    words = {
        "regime": (predicted.regime, "whether gradients explode or vanish"),
        "fixed_point": (predicted.fixed_points or ("",) * columns, "where the batches' covariance settles"),
        "reason": (predicted.reasons, "why there is no ξ"),
        "censored": (frontier.censored, "left: shallower than the map; right: deeper"),
    }
    return {
        **{
            name: xr.Variable(axis, values, {"units": LAYERS, "long_name": is_})
            for name, (values, is_) in layers.items()
        },
        **{
            name: xr.Variable(axis, np.array(values, dtype=str), {"long_name": is_})
            for name, (values, is_) in words.items()
        },
    }


def _numbers(judged: Judgement) -> dict[str, float | str]:
    found = judged.agreement
    if found is None:
        return {}
    numbers: dict[str, float | str] = {"judged_metric": found.metric}
    if found.constant and found.multiples:
        numbers |= dict(zip(("multiple_low", "multiple_high"), found.multiples, strict=True))
    if found.kappa is not None:
        numbers["kappa"] = found.kappa
    if found.interval is not None:
        numbers |= {"kappa_low": found.interval.low, "kappa_high": found.interval.high}
    return numbers
