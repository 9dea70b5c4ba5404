"""How well a map and its theory agree, whatever the theory: the frontier against a line, or quantities that predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.map_theory import MapTheory
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.phase_map.regions import TRAINED, WHOLE, regions
from phasemap.sweeps.verdict.depth_scale import Agreement, assess
from phasemap.sweeps.verdict.divergence_level import DivergenceLevel, divergence_levels
from phasemap.sweeps.verdict.fitted_levels import fitted_fields
from phasemap.sweeps.verdict.kappa_by_share import Contour, contours
from phasemap.sweeps.verdict.ranking import Ranked, by_overall, overall, rank
from phasemap.sweeps.verdict.which_scale import Collapse, which_scale
from phasemap.theory.plural import counted

FEWEST = 20
"""Cells that a region needs for a judgement in words."""


@dataclass(frozen=True)
class Judgement:
    """One map against its theory.

    Attributes:
        metric: the accuracy that it is about.
        theory: of the map.
        agreements: frontier against ξ, by each accuracy that has numbers; empty without depth on the vertical axis, and
            by a theory without a frontier.
        rankings: by region, which quantity predicts the accuracy, the best first; empty where the theory has none.
        levels: of quantities, above which networks diverge, the best first; empty if none or all do.
    """

    metric: str
    theory: MapTheory
    agreements: Mapping[str, Agreement]
    rankings: Mapping[str, list[Ranked]]
    levels: list[DivergenceLevel]

    def __repr__(self) -> str:
        best = [f"{ranked[0].name} predicts best" for ranked in self.rankings.values() if ranked]
        return f"Judgement({self.agreement or ', '.join([self.metric, *best[:1]])})"

    @property
    def agreement(self) -> Agreement | None:
        """Frontier against ξ for the metric that was judged."""
        return self.agreements.get(self.metric)

    @cached_property
    def collapses(self) -> list[Collapse]:
        """Which depth scale collapses the frontiers, on each side of a critical point; empty without a theory's, and
        where it is the same in every column."""
        if self.agreement is None or self.agreement.constant:
            return []
        return which_scale(self.theory.phase_map, self.theory, self.metric)

    @cached_property
    def contours(self) -> list[Contour]:
        """κ at several shares of the lead over chance, of test and of training accuracy, evaluated as ``metric`` is;
        empty where there is no κ."""
        if self.agreement is None or self.agreement.constant:
            return []
        batch = "_batch" if self.metric.endswith("_batch") else ""
        both = [name for name in (f"test_accuracy{batch}", f"train_accuracy{batch}") if name in self.agreements]
        return [
            contour
            for metric in both
            for contour in contours(self.theory.phase_map, self.agreements[metric].prediction, metric)
        ]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Contours: what the theory predicts, and the levels that were fitted."""
        return (*self.theory.fields(self.metric), *fitted_fields(self.theory, self.levels))

    @property
    def verdict(self) -> str:
        """In plain sentences, for a reader who knows nothing of the theory."""
        if self.agreement:
            told = [one for one in self.collapses if one.sentence]
            where = [f"Where gradients are {one.side}, " if len(self.collapses) > 1 else "" for one in told]
            return " ".join([self.agreement.verdict, *(w + one.sentence for w, one in zip(where, told, strict=True))])
        if self.theory.phase_map.attrs["y_axis"] != "depth":
            return "This map has no depth on its vertical axis, so there is no frontier to judge."
        if reason := self.theory.inapplicable():
            return f"The theory makes no prediction here: {reason}."
        return _which_predicts(self.rankings, self.levels)


def judge(phase_map: xr.Dataset, metric: str = "test_accuracy", theory: MapTheory | None = None) -> Judgement:
    """The map against its theory.

    Args:
        metric: what the map shows; for a loss, the test accuracy is judged.
        theory: of the map, if at hand.
    """
    theory = theory_of(phase_map) if theory is None else theory
    agreements = agreements_of(phase_map, theory)
    if metric not in (agreements or ACCURACIES):
        metric = ACCURACIES[0]
    if theory.has_frontier:
        agreement = agreements.get(metric)
        quantities = theory.quantities if agreement else {}
        rankings = {WHOLE: rank(phase_map, quantities, metric)} if quantities else {}
    else:
        rankings = _by_region(phase_map, theory, metric)
    return Judgement(metric, theory, agreements, rankings, divergence_levels(phase_map, theory.failure_quantities))


def agreements_of(phase_map: xr.Dataset, theory: MapTheory) -> dict[str, Agreement]:
    """The agreement by each accuracy that has numbers; none where the map has no frontier."""
    if phase_map.attrs["y_axis"] != "depth" or not theory.has_frontier:
        return {}
    present = [metric for metric in ACCURACIES if np.isfinite(phase_map[metric].values).any()]
    return {metric: assess(phase_map, metric, prediction=theory.prediction) for metric in present or ACCURACIES[:1]}


def _by_region(phase_map: xr.Dataset, theory: MapTheory, metric: str) -> dict[str, list[Ranked]]:
    """Regions in which nothing can be scored are left out."""
    if not theory.quantities:
        return {}
    ranked = {
        region: by_overall(rank(phase_map, theory.quantities, metric, region=cells))
        for region, cells in regions(phase_map, metric).items()
    }
    return {region: found for region, found in ranked.items() if found}


def _which_predicts(rankings: Mapping[str, list[Ranked]], levels: list[DivergenceLevel]) -> str:
    sentences = [_best(region, ranked) for region, ranked in rankings.items()]
    if not sentences:
        return "There are too few networks to say which quantity predicts the accuracy."
    if levels:
        first = levels[0]
        sentences.append(
            f"Networks diverge where {first.name} exceeds {first.level:.3g} ({first.low:.3g} to {first.high:.3g}), "
            f"with {first.wrong or 'none'} of {first.networks} on the wrong side."
        )
    return " ".join(sentences)


def _best(region: str, ranked: list[Ranked]) -> str:
    best = next(one for one in ranked if not one.baseline)
    base = next((one for one in ranked if one.baseline), None)
    value = overall(best)
    where = "Over the whole map" if region == WHOLE else "Of the " if region == TRAINED else "To the "
    where += "" if region == WHOLE else region
    if best.cells < FEWEST:
        return f"{where}, only {counted(best.cells, 'cell')}: too few to say what predicts the accuracy."
    against = f", {base.name} {overall(base):.2f}" if base else ""
    if not value or value <= 0:
        return f"{where}, no quantity predicts the accuracy (the best R² on what was held out is {value:.2f}{against})."
    return f"{where}, {best.name} predicts accuracy best (which {best.direction} as it grows; R² {value:.2f}{against})."
