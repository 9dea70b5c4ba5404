"""What Fig. 5(c, d) of the batch norm paper say of ε, each sentence beside what this map measures.

Both sides of the critical ε = σ_w² φ′(0)² have a finite depth scale: gradients explode below it, and above it the
signal and the gradients vanish. So the map is a wedge, and deep networks train close to the critical ε only.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import stats

from phasemap.sweeps.overlays.batchnorm import critical_eps_of
from phasemap.sweeps.verdict.claims.depth_scale import PAPER
from phasemap.sweeps.verdict.claims.row import Row
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.sweeps.verdict.judgement import Judgement
from phasemap.theory.plural import counted

CITED = f"{PAPER}, Fig. 5 (c, d)"


def critical_eps(phase_map: xr.Dataset) -> float | None:
    """The theory's critical ε of the map's networks; None where the map's ε do not reach to both sides of it."""
    found = critical_eps_of(phase_map)
    eps = phase_map["eps"].values
    return found if eps.min() < found <= eps.max() else None


def rows(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    """The sentences on ε; none for other networks, for a map over something else, or without a critical ε within it."""
    agreement = judgement.agreement
    if judgement.theory.paper != PAPER or agreement is None or not agreement.prediction.exists:
        return []
    if phase_map.attrs["x_axis"] != "eps":
        return []
    critical = critical_eps(phase_map)
    if critical is None:
        return []
    eps = phase_map["eps"].values.astype(float)
    deepest = float(phase_map["depth"].values.max())
    frontier = _with_censored(agreement)
    return [
        _transition(eps, frontier, deepest, critical),
        _very_deep(eps, frontier, deepest, critical),
        _beyond(eps, frontier, deepest, critical, agreement),
        _sides(agreement),
    ]


def _with_censored(agreement: Agreement) -> np.ndarray:
    """Frontiers, infinite where the column trains at every depth, 0 where at none, NaN where nothing was run."""
    instead = {"right": np.inf, "left": 0.0, "missing": np.nan}
    found = agreement.frontier
    return np.array([instead.get(c, d) for c, d in zip(found.censored, found.depth, strict=True)], dtype=float)


def _layers(frontier: float, deepest: float) -> str:
    if np.isnan(frontier):
        return "not run"
    if np.isinf(frontier):
        return f"beyond {deepest:.0f} layers"
    return f"to {frontier:.0f} layers" if frontier else "nowhere"


def _transition(eps: np.ndarray, frontier: np.ndarray, deepest: float, critical: float) -> Row:
    sentence = "a well defined phase transition near ε ~ 1"
    if np.isnan(frontier).any() or not np.isfinite(frontier).any():
        return Row(CITED, sentence, "no frontier on this map, or columns not run", "open")
    best = np.flatnonzero(frontier == np.nanmax(frontier))
    low, high = eps[best[0]], eps[best[-1]]
    where = f"ε = {low:g}" if low == high else f"ε = {low:g} to {high:g}"
    words = (
        f"deepest at {where} ({_layers(float(frontier[best[0]]), deepest)}); the theory's critical ε is {critical:.3g}"
    )
    # the grid's own resolution: the critical value within one column of the deepest
    within = eps[max(best[0] - 1, 0)] <= critical <= eps[min(best[-1] + 1, len(eps) - 1)]
    return Row(CITED, sentence, words, "yes" if within else "no")


def _very_deep(eps: np.ndarray, frontier: np.ndarray, deepest: float, critical: float) -> Row:
    sentence = "a critical point at large ε where gradients do not explode and very deep networks are trainable"
    nearest = int(np.argmin(np.abs(np.log(eps / critical))))
    close = np.arange(max(nearest - 1, 0), min(nearest + 2, len(eps)))  # the grid's resolution: a column to either side
    smallest = float(frontier[0])
    around = ", ".join(f"{_layers(float(frontier[i]), deepest)} at ε = {eps[i]:g}" for i in close)
    words = f"around the critical point {around}; at ε = {eps[0]:g} {_layers(smallest, deepest)}"
    if np.isnan(frontier[close]).any() or np.isnan(smallest) or np.isinf(smallest):
        return Row(CITED, sentence, words, "open")
    return Row(CITED, sentence, words, "yes" if frontier[close].max() > 2 * smallest else "no")


def _beyond(eps: np.ndarray, frontier: np.ndarray, deepest: float, critical: float, agreement: Agreement) -> Row:
    sentence = "(read as: all networks with a large ε are trainable; the theory here says that beyond it they are not)"
    beyond = np.flatnonzero((eps > critical * 1.05) & np.isfinite(agreement.prediction.xi))
    if not len(beyond):
        return Row(CITED, sentence, "the map ends at the critical ε", "open")
    parts = [
        f"ε = {eps[i]:g}: {_layers(float(frontier[i]), deepest)} (16 ξ = {16 * agreement.prediction.xi[i]:.0f})"
        for i in beyond
    ]
    if np.isnan(frontier[beyond]).any():
        return Row(CITED, sentence, "; ".join(parts), "open")
    return Row(CITED, sentence, "; ".join(parts), "no" if frontier[beyond[-1]] < deepest else "yes")


def _sides(agreement: Agreement) -> Row:
    """κ of the two sides apart: nothing says that a vanishing signal is borne as far as an exploding gradient."""
    sentence = f"{agreement.prediction.factor:g} ξ is the maximum trainable depth (on both sides of the critical ε)"
    parts, within = [], []
    for regime, ratio in agreement.by_regime().items():
        if ratio.size:
            parts.append(
                f"{regime}: {stats.gmean(ratio):.1f} ξ ({ratio.min():.1f} to {ratio.max():.1f},"
                f" {counted(ratio.size, 'column')})"
            )
            within.append(ratio.min() <= agreement.prediction.factor <= ratio.max())
        else:
            parts.append(f"{regime}: no frontier inside the map")
    return Row(CITED, sentence, "; ".join(parts), "open" if len(within) < 2 else "yes" if all(within) else "no")
