"""Where on the slope from trainable to untrainable: κ at several shares of the best accuracy's lead over chance.

Accuracy falls over a range of depths, and κ depends on where in it the frontier is laid. Where the papers' 16 lies is
read from this, not from one contour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats

from phasemap.sweeps.overlays.prediction import Prediction
from phasemap.sweeps.phase_map.accuracies import accuracies
from phasemap.sweeps.verdict.frontier import HALF, find
from phasemap.sweeps.verdict.kappa_interval import Interval, kappa_interval

SHARES = (0.9, HALF, 0.25, 0.1)


@dataclass(frozen=True)
class Contour:
    """κ at one share of the lead.

    Attributes:
        metric: the accuracy. side: ``exploding`` or ``vanishing`` gradients. share: of the lead of the map's best over
            chance that is left at the frontier.
        kappa: geometric mean of frontier/ξ over the used columns; None without any. interval: of it, None with fewer
            than two.
        used, shallower, deeper, missing: numbers of columns with a ξ on this side: with a frontier inside the grid,
            censored at either end, and not run.
    """

    metric: str
    side: str
    share: float
    kappa: float | None
    interval: Interval | None
    used: int
    shallower: int
    deeper: int
    missing: int


def contours(phase_map: xr.Dataset, prediction: Prediction, metric: str = "test_accuracy") -> list[Contour]:
    """κ at each of SHARES, on each side of a critical point; empty where no column has a ξ.

    Raises:
        InputError: the metric is no accuracy, or the map's y axis is not depth.
    """
    sides = [side for side in ("exploding", "vanishing") if side in prediction.regime]
    return [_contour(phase_map, prediction, metric, side, share) for side in sides for share in SHARES]


def _contour(phase_map: xr.Dataset, prediction: Prediction, metric: str, side: str, share: float) -> Contour:
    found = find(phase_map, metric, share)
    predicted = np.isfinite(prediction.xi) & (np.array(prediction.regime) == side)
    used = predicted & np.isfinite(found.depth)
    kappa = float(stats.gmean(found.depth[used] / prediction.xi[used])) if used.any() else None
    interval = None
    if kappa is not None and used.sum() >= 2:
        depths, accuracy = phase_map["depth"].values.astype(float), accuracies(phase_map, metric)
        interval = kappa_interval(
            depths, accuracy, prediction.xi, used, found.chance, float(np.log(kappa)), share=share
        )
    shallower, deeper, missing = (
        int((predicted & (np.array(found.censored) == how)).sum()) for how in ("left", "right", "missing")
    )
    return Contour(metric, side, share, kappa, interval, int(used.sum()), shallower, deeper, missing)
