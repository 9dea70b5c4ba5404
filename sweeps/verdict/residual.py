"""What the residual theory's quantities say of a map: which predicts its accuracy, and where training fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.stats import spearmanr

from phasemap.sweeps.overlays import residual as overlay_residual
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.sweeps.phase_map.regions import TRAINED, WHOLE, regions
from phasemap.sweeps.verdict.divergence_level import Corner, corners
from phasemap.sweeps.verdict.ranking import Ranked, rank

CORNER_QUANTITIES = ("p", "s", "chi")
FEWEST = 20
"""Cells that a region needs for a judgement in words."""


@dataclass(frozen=True)
class ResidualAgreement:
    """The theory of residual networks beside one metric of one map.

    Attributes:
        metric: the accuracy.
        quantities: by their label, at the map's networks.
        rankings: by region, the best predictor first; regions in which nothing can be scored are left out.
        corners: the levels that separate the networks that diverge, the best first; empty if none or all do.
        likeness: Spearman's ρ between pairs of quantities, by their names: over the whole map, and over the columns
            with V_r = β_v + β_w < 1, NaN if there are none.
    """

    metric: str
    quantities: Mapping[str, Float[np.ndarray, "depths columns"]]
    rankings: Mapping[str, list[Ranked]]
    corners: list[Corner]
    likeness: Mapping[tuple[str, str], tuple[float, float]]

    @property
    def verdict(self) -> str:
        """In plain sentences."""
        told = [_best(region, ranked) for region, ranked in self.rankings.items()]
        if not told:
            return "There are too few networks to say which quantity predicts the accuracy."
        if self.corners:
            first = self.corners[0]
            told.append(
                f"Networks diverge where {first.name} exceeds {first.level:.3g} ({first.low:.3g} to {first.high:.3g}), "
                f"with {first.wrong or 'none'} of {first.networks} on the wrong side."
            )
        return " ".join(told)


def assess(phase_map: xr.Dataset, metric: str = "test_accuracy") -> ResidualAgreement | None:
    """The findings of one map; None where the residual theory says nothing of it.

    Raises:
        InputError: the metric is no accuracy.
    """
    found = overlay_residual.quantities(phase_map)
    if not found:
        return None
    labels = {name: overlay_residual.QUANTITIES[name][0] for name in found}
    named = {labels[name]: values for name, values in found.items()}
    rankings = {
        region: rank(phase_map, named, metric, region=mask) for region, mask in regions(phase_map, metric).items()
    }
    leading = overlay_residual.leading_quantities(phase_map)
    pairs = [("s", "p"), ("s", "chi")]
    growing = np.array([float(one["beta_v"]) + float(one["beta_w"]) < 1 for one in column_parameters(phase_map)])
    every = np.ones_like(growing)
    return ResidualAgreement(
        metric,
        named,
        {region: ranked for region, ranked in rankings.items() if any(overall(one) is not None for one in ranked)},
        corners(phase_map, {**leading, **{labels[name]: found[name] for name in CORNER_QUANTITIES}}),
        {pair: (_alike(found, pair, every), _alike(found, pair, growing)) for pair in pairs},
    )


def _alike(
    found: Mapping[str, Float[np.ndarray, "depths columns"]],
    pair: tuple[str, str],
    columns: Bool[np.ndarray, " columns"],
) -> float:
    one, other = (found[name][:, columns].ravel() for name in pair)
    if one.size < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other)[0])


def overall(ranked: Ranked) -> float | None:
    """The mean R² of unseen columns and unseen depths, of those that exist."""
    scores = [score.r2 for score in (ranked.columns, ranked.depths) if score is not None]
    return float(np.mean(scores)) if scores else None


def order(ranked: list[Ranked]) -> list[Ranked]:
    """By ``overall``, the best first; what has no score is left out."""
    scored = [(value, one) for one in ranked if (value := overall(one)) is not None]
    return [one for _, one in sorted(scored, key=lambda pair: -pair[0])]


def _best(region: str, ranked: list[Ranked]) -> str:
    best = next(one for one in order(ranked) if not one.baseline)
    base = next((one for one in order(ranked) if one.baseline), None)
    value = overall(best)
    where = "Over the whole map" if region == WHOLE else "Of the " if region == TRAINED else "To the "
    where += "" if region == WHOLE else region
    if best.cells < FEWEST:
        return f"{where}, there are only {best.cells} cells, too few to say what predicts the accuracy."
    against = f", {base.name} {overall(base):.2f}" if base else ""
    if not value or value <= 0:
        return f"{where}, no quantity predicts the accuracy (the best R² on what was held out is {value:.2f}{against})."
    return f"{where}, {best.name} predicts accuracy best (which {best.direction} as it grows; R² {value:.2f}{against})."
