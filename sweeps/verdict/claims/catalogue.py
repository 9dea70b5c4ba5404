"""The catalogue of claims: functions that set a paper's sentences beside a map, a line each."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from phasemap.sweeps.verdict.claims.row import Row
from phasemap.sweeps.verdict.judgement import Judgement
from phasemap.theory.catalogue import Catalogue

Claims = Callable[[xr.Dataset, Judgement], list[Row]]
"""The rows of a map and its judgement; none for a map that the sentences are not about."""

CLAIMS: Catalogue[Claims] = Catalogue(
    "claim",
    {
        "depth scale": "phasemap.sweeps.verdict.claims.depth_scale:rows",
        "epsilon": "phasemap.sweeps.verdict.claims.epsilon:rows",
        "order to chaos": "phasemap.sweeps.verdict.claims.order_to_chaos:rows",
        "residual networks": "phasemap.sweeps.verdict.claims.residual:rows",
    },
)


def claims_of(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    """Every sentence that is about this map."""
    return [row for rows in CLAIMS.values() for row in rows(phase_map, judgement)]
