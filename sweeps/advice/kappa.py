"""κ of "trainable up to κ·ξ": the paper's, a user's own, or measured on a map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phasemap.sweeps.advice.map_support import in_words, judged_metric, support
from phasemap.theory.errors import InputError
from phasemap.train.families.catalogue import DEFAULT

if TYPE_CHECKING:
    import xarray as xr

PAPERS_KAPPA = 16.0
KAPPA_PAGE = "docs/figures-bn-maps.md"


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

    def verdict(self, depth: int, xi: float) -> str:
        """``trainable``, ``borderline`` (the depth is within κ's interval) or ``not trainable``."""
        if depth <= self.low * xi:
            return "trainable"
        return "borderline" if depth <= self.high * xi else "not trainable"


def papers_kappa() -> Kappa:
    """16."""
    return Kappa(PAPERS_KAPPA, PAPERS_KAPPA, PAPERS_KAPPA, "the paper's")


def given_kappa(value: float) -> Kappa:
    """The user's own. Raises InputError unless it is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"--kappa {value}: expected a finite number above 0")
    return Kappa(value, value, value, "given")


def map_kappa(phase_map: xr.Dataset, source: str, arch: str) -> Kappa:
    """κ of a map of the networks ``arch``, as its report has it, with its interval.

    Raises:
        InputError: these are other networks, or the map gives no κ.
    """
    from phasemap.sweeps.verdict.judgement import judge

    theirs = phase_map.attrs.get("architecture", DEFAULT)
    if theirs != arch:
        raise InputError(f"--map {source}: its networks are {theirs}; expected {arch}")
    judged = judge(phase_map, judged_metric(phase_map))
    found = judged.agreement
    if found is None or found.kappa is None:
        raise InputError(f"--map {source}: it gives no kappa: {judged.verdict}")
    interval = found.interval
    low, high = (interval.low, interval.high) if interval else (found.kappa, found.kappa)
    x = phase_map[phase_map.attrs["x_axis"]].values
    behind = support(phase_map, source) | {
        "columns": found.used,
        "x_axis": str(phase_map.attrs["x_axis"]),
        "x_from": x[0].item(),
        "x_to": x[-1].item(),
        "interval": None if interval is None else interval.level,
    }
    return Kappa(found.kappa, low, high, f"of {in_words(behind)}", behind)
