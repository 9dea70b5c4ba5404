"""κ of "trainable up to κ·ξ": the paper's, a user's own, or measured on a map; where signal and gradients vanish: see
``vanishing``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phasemap.sweeps.advice.map_support import in_words, judged_metric, support
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import check
from phasemap.train.families.catalogue import DEFAULT

if TYPE_CHECKING:
    import xarray as xr

    from phasemap.sweeps.verdict.depth_scale import Agreement

PAPERS_KAPPA, LOW, HIGH = 16.0, 11.3, 19.2
"""The paper's κ, and between what it lay on MNIST at the paper's width × Σ lr: the lowest and the highest end of the
95 % intervals at B = 16 and 64, and over γ and β at B = 32 (docs/figures-bn-maps.md)."""
SMALL, KAPPA_OF_SMALL = 8, 9.0
"""Batches smaller than this trained to that many ξ only, those of 5 and 6 on the same page."""
KAPPA_PAGE = "docs/figures-bn-maps.md"
SIDES = ("exploding", "vanishing")


@dataclass(frozen=True)
class Kappa:
    """κ of "trainable up to κ·ξ".

    Attributes:
        value: its best estimate. low, high: 95 % interval, all the same where there is none.
        origin: in words. support: the map's particulars, or None.
    """

    value: float
    low: float
    high: float
    origin: str
    support: dict[str, Any] | None = None


def papers_kappa() -> Kappa:
    """16, with the interval of what was measured here at the paper's width × Σ lr."""
    return Kappa(PAPERS_KAPPA, LOW, HIGH, "the paper's; the interval is that of maps of MNIST trained as far")


def given_kappa(option: str, value: float) -> Kappa:
    """The user's own. Raises InputError, naming the option, unless it is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"--{option} {value}: expected a finite number above 0")
    check(**{option.replace("-", "_"): value})
    return Kappa(value, value, value, "given")


def agreement_of(phase_map: xr.Dataset, source: str, arch: str) -> Agreement:
    """Frontier against ξ of a map of the networks ``arch``.

    Raises:
        InputError: these are other networks, or no column of the map gives a κ.
    """
    from phasemap.sweeps.verdict.judgement import judge

    theirs = phase_map.attrs.get("architecture", DEFAULT)
    if theirs != arch:
        raise InputError(f"--map {source}: its networks are {theirs}; expected {arch}")
    judged = judge(phase_map, judged_metric(phase_map))
    found = judged.agreement
    if found is None or found.kappa is None:
        own = " --kappa takes one of them." if found is not None and found.constant and found.multiples else ""
        raise InputError(f"--map {source}: it gives no κ: {judged.verdict}{own}")
    return found


def map_kappas(phase_map: xr.Dataset, source: str, found: Agreement) -> dict[str, Kappa]:
    """κ of each of ``SIDES`` on which the map has columns with a frontier and ξ, with its interval over these."""
    import numpy as np

    from phasemap.sweeps.phase_map.accuracies import accuracies
    from phasemap.sweeps.verdict.kappa_interval import kappa_interval

    kappas = {}
    x = phase_map[phase_map.attrs["x_axis"]].values
    for side, value in found.kappa_by_regime().items():
        used = np.isfinite(found.ratio) & (np.array(found.prediction.regime) == side)
        interval = None
        if used.sum() > 1:
            depths, accuracy = phase_map["depth"].values.astype(float), accuracies(phase_map, found.metric)
            interval = kappa_interval(
                depths, accuracy, found.prediction.xi, used, found.frontier.chance, float(np.log(value))
            )
        low, high = (interval.low, interval.high) if interval else (value, value)
        behind = support(phase_map, source) | {
            "columns": int(used.sum()),
            "x_axis": str(phase_map.attrs["x_axis"]),
            "x_from": x[used][0].item(),
            "x_to": x[used][-1].item(),
            "interval": None if interval is None else interval.level,
        }
        kappas[side] = Kappa(value, low, high, f"of {in_words(behind)}", behind)
    return kappas
