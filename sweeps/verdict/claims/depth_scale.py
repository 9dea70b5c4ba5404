"""What "A Mean Field Theory of Batch Normalization" says of its maps, each sentence beside what a map measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from phasemap.sweeps.verdict.accuracy_on_line import left_at_line
from phasemap.sweeps.verdict.claims.row import Row
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.sweeps.verdict.judgement import Judgement
from phasemap.sweeps.verdict.which_scale import Collapse
from phasemap.theory.plural import counted

PAPER = "Yang et al. 2019"


def rows(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    """The sentences that apply to this map; none for other networks, and where the theory makes no prediction."""
    agreement = judgement.agreement
    if judgement.theory.paper != PAPER or agreement is None or not agreement.prediction.exists:
        return []
    figure = {"bn-fig3": "Fig. 3", "bn-fig5": "Fig. 5"}.get(str(phase_map.attrs["experiment"])[:7], "Sec. 4")
    cited = f"{PAPER}, {figure}"
    found = [_factor(cited, phase_map, agreement), _correlation(cited, agreement, judgement.collapses)]
    if phase_map.attrs["x_axis"] in ("batch_size", "statistics_batch_size"):
        found.append(_fifty_layers(f"{PAPER}, Fig. 3 (a)", agreement))
    if phase_map.attrs["x_axis"] in ("gamma", "beta"):
        found.append(_linear_regime(f"{PAPER}, Fig. 5", phase_map.attrs["x_axis"], agreement))
    return found


def _factor(cited: str, phase_map: xr.Dataset, agreement: Agreement) -> Row:
    factor = agreement.prediction.factor
    sentence = f"the line {factor:g} ξ is the theoretical prediction of the maximum trainable depth"
    if agreement.constant:
        return Row(cited, sentence, "ξ is the same in every column", "open")
    if agreement.kappa is None or agreement.interval is None:
        return Row(cited, sentence, "too few columns with a frontier inside the grid", "open")
    low, high = agreement.interval.low, agreement.interval.high
    measured = f"{agreement.kappa:.1f} ξ ({agreement.interval.level:.0%} interval {low:.1f} to {high:.1f})"
    left = left_at_line(phase_map, agreement.prediction, agreement.metric)
    if (inside := left[np.isfinite(left)]).size:
        measured += (
            f" is where half of the best accuracy's lead over chance is left; at {factor:g} ξ, "
            f"{_percent(inside.mean())} of it ({_percent(inside.min())} to {_percent(inside.max())}, {inside.size} "
            "columns)"
        )
    return Row(cited, sentence, measured, "yes" if low <= factor <= high else "no")


def _percent(share: float) -> str:
    """Without a minus before 0."""
    return f"{round(100 * share):d}%"


def _correlation(cited: str, agreement: Agreement, collapses: Sequence[Collapse]) -> Row:
    """Any curve that rises as ξ does has the same rank correlation; so frontier/ξ must also scatter less than with what
    needs no theory and no fit."""
    sentence = "strong agreement between ξ and the maximum trainable depth"
    if agreement.rho is None:
        return Row(cited, sentence, "; ".join(agreement.notes) or "no ρ", "open")
    measured = f"Spearman ρ = {agreement.rho:.2f}"
    measured += f" ({agreement.rho_of_axis:.2f} of the swept parameter)" if agreement.rho_of_axis is not None else ""
    if agreement.spread is not None:
        measured += f"; frontier/ξ scatters by {agreement.spread:.0%} over the columns"
    holds = agreement.rho >= 0.8
    for one in collapses:
        baseline = next((scale for scale in one.scales if not scale.predicted and not scale.fitted), None)
        own = next((scale for scale in one.scales if scale.name == one.own), None)
        if baseline and own:
            measured += f", frontier/({baseline.name}) by {baseline.spread:.0%}"
            holds &= own.spread < baseline.spread
    return Row(cited, sentence, measured, "yes" if holds else "no")


def _fifty_layers(cited: str, agreement: Agreement) -> Row:
    sentence = "networks deeper than about 50 layers are untrainable regardless of batch size"
    found = agreement.frontier
    if found.censored.count("right"):
        words = f"{counted(found.censored.count('right'), 'column')} with no frontier up to the deepest networks here"
        return Row(cited, sentence, words, "open")
    if not np.isfinite(found.depth).any():
        return Row(cited, sentence, "no frontier on this map", "open")
    deepest = float(np.nanmax(found.depth))
    return Row(cited, sentence, f"the deepest frontier is at {deepest:.0f} layers", "yes" if deepest <= 55 else "no")


def _linear_regime(cited: str, x_axis: str, agreement: Agreement) -> Row:
    what, sign = ("decreasing γ", -1) if x_axis == "gamma" else ("increasing β", 1)
    sentence = f"the maximum trainable depth increases significantly with {what}"
    inside = np.flatnonzero(np.isfinite(agreement.frontier.depth))
    if inside.size < 2:
        return Row(cited, sentence, "fewer than two columns with a frontier inside the grid", "open")
    first, last = (float(agreement.frontier.depth[i]) for i in (inside[0], inside[-1])[::sign])
    return Row(cited, sentence, f"from {first:.0f} to {last:.0f} layers", "yes" if last > 1.2 * first else "no")
