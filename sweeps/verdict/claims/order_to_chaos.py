"""What "Deep Information Propagation" says of its maps, each sentence beside what a map measures."""

from __future__ import annotations

import numpy as np
import xarray as xr

from phasemap.sweeps.verdict.claims.row import Row
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.sweeps.verdict.frontier import HALF
from phasemap.sweeps.verdict.judgement import Judgement
from phasemap.sweeps.verdict.kappa_by_share import Contour
from phasemap.theory.plural import counted

PAPER = "Schoenholz et al. 2017"
PHASES = {"vanishing": "ordered", "exploding": "chaotic"}


def rows(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    """The sentences that apply to this map; none for other networks, and where the theory makes no prediction."""
    agreement = judgement.agreement
    if judgement.theory.paper != PAPER or agreement is None or not agreement.prediction.exists:
        return []
    halves = [one for one in judgement.contours if one.metric == agreement.metric and one.share == HALF]
    found = [_bound(agreement, one) for one in halves if one.kappa is not None]
    return found + _deepest(phase_map, agreement)


def _bound(agreement: Agreement, side: Contour) -> Row:
    """Whether κ of one phase is the paper's."""
    factor, phase = agreement.prediction.factor, PHASES[side.side]
    sentence = f"networks train up to about {factor:g} ξ, in the {phase} phase"
    measured = (
        f"half of the best accuracy's lead over chance is left at {side.kappa:.1f} ξ ({counted(side.used, 'column')}"
    )
    if side.interval is None:
        return Row(f"{PAPER}, Fig. 5", sentence, f"{measured}: too few for an interval)", "open")
    low, high = side.interval.low, side.interval.high
    measured += f", {side.interval.level:.0%} interval {low:.1f} to {high:.1f})"
    return Row(f"{PAPER}, Fig. 5", sentence, measured, "yes" if low <= factor <= high else "no")


def _deepest(phase_map: xr.Dataset, agreement: Agreement) -> list[Row]:
    """Whether networks train deepest beside the critical point; nothing on a map that has none inside."""
    critical = agreement.prediction.critical_x
    if len(critical) != 1:
        return []
    name = str(phase_map.attrs["x_axis"])
    x = phase_map[name].values.astype(float)
    found = agreement.frontier
    depth = np.where([one == "right" for one in found.censored], np.inf, np.nan_to_num(found.depth))
    deepest = np.flatnonzero(depth == depth.max())
    nearest = np.argsort(np.abs(x - critical[0]))[:2]
    measured = f"critical {name} {critical[0]:.4g}; deepest at {', '.join(f'{x[i]:g}' for i in deepest)}"
    sentence = "networks train deepest at the critical point"
    return [Row(f"{PAPER}, Sec. 4", sentence, measured, "yes" if set(nearest) & set(deepest) else "no")]
