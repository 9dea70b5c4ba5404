"""What "Deep Mean Field Theory" says of its trained networks, each sentence beside what this map measures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.stats import spearmanr

from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
from phasemap.sweeps.phase_map.columns import column_parameters
from phasemap.sweeps.phase_map.regions import LEFT, RIGHT, TRAINED, WHOLE, best_columns
from phasemap.sweeps.verdict.claims.row import Row
from phasemap.sweeps.verdict.divergence_level import DivergenceLevel
from phasemap.sweeps.verdict.judgement import FEWEST, Judgement
from phasemap.sweeps.verdict.ranking import Ranked, overall
from phasemap.theory.plural import counted
from phasemap.theory.residual.quantities import QUANTITIES

PAPER = "Yang & Schoenholz 2018"
PREDICTS = 0.5
"""Out-of-fold R² from which a quantity is said to predict."""
ALIKE = 0.98
"""Spearman's ρ from which two quantities are said to have the same contours."""
SEPARATES = 0.05
"""Share of networks on the wrong side up to which a level is said to trace out where training fails."""


def rows(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    """The sentences on the figure that this map is; none for other networks, and where the theory says nothing."""
    if judgement.theory.paper != PAPER or judgement.theory.inapplicable():
        return []
    by_figure: dict[str, Callable[[xr.Dataset, Judgement], list[Row]]] = {
        "vv-fig2-zig": _zig,
        "vv-fig2-zag": _zag,
        "vv-fig3a": _two_sided,
        "vv-fig3b": _two_sided,
        "vv-fig3c": _fig3c,
    }
    make = by_figure.get(str(phase_map.attrs["experiment"]))
    return make(phase_map, judgement) if make else []


def _zig(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    cited = f"{PAPER}, Fig. 2 (a)"
    levels = {one.name: one for one in judgement.levels}
    right, printed = (next((c for n, c in levels.items() if n.startswith(f"{v}_r/")), None) for v in "WV")
    p = levels.get(QUANTITIES["p"][0])
    like_p, like_chi = (likeness(phase_map, judgement, "s", other) for other in ("p", "chi"))
    alike = "open" if np.isnan(like_p[1]) else "yes" if min(*like_p, *like_chi) >= ALIKE else "no"
    s = QUANTITIES["s"][0]
    return [
        _traces(cited, "one of the contour lines of p traces out almost exactly where training fails", p),
        _traces(cited, "the dashed line V_r/(1−V_r)·l^(1−V_r) = C, as printed, agrees with it", printed),
        _traces(cited, "the dashed line with W_r (the corrected form) agrees with it", right),
        _level(cited, "C ≈ 10", right),
        Row(
            cited,
            "the contours of s are almost identical to those of p and of χ⁽⁰⁾/χ⁽ˡ⁾",
            f"Spearman's ρ with p {like_p[0]:.3f} ({like_p[1]:.3f} where V_r < 1), with the ratio of χ "
            f"{like_chi[0]:.3f} ({like_chi[1]:.3f})",
            alike,
        ),
        _direction(cited, "elsewhere performance dips where s decreases", judgement, TRAINED, s),
        _direction(cited, "performance dips where χ⁽⁰⁾/χ⁽ˡ⁾ decreases", judgement, TRAINED, QUANTITIES["chi"][0]),
    ]


def likeness(phase_map: xr.Dataset, judgement: Judgement, one: str, other: str) -> tuple[float, float]:
    """Spearman's ρ of two quantities: over the whole map, and over its columns with V_r = β_v + β_w < 1, or NaN."""
    pair = [judgement.theory.quantities[QUANTITIES[name][0]] for name in (one, other)]
    growing = np.array([float(each["beta_v"]) + float(each["beta_w"]) < 1 for each in column_parameters(phase_map)])
    return _spearman(pair, np.ones_like(growing)), _spearman(pair, growing)


def _spearman(pair: list[Float[np.ndarray, "depths columns"]], columns: Bool[np.ndarray, " columns"]) -> float:
    one, other = (values[:, columns].ravel() for values in pair)
    if one.size < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other)[0])


def _zag(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    cited, chi_v = f"{PAPER}, Fig. 2 (b), Sec. 7.1", QUANTITIES["chi_v"][0]
    others = [QUANTITIES[name][0] for name in ("p", "s", "e", "chi", "chi_w")]
    return [
        _beats(
            cited,
            "the level curves of χ_v⁽¹⁾/χ_v⁽ˡ⁾, but not those of p, s, e, χ or χ_w, predict the test performance",
            judgement,
            WHOLE,
            chi_v,
            others,
        ),
        _direction(cited, "greater gradient explosion of χ_v goes with better performance", judgement, WHOLE, chi_v),
    ]


def _two_sided(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    figure = str(phase_map.attrs["experiment"])[-1]
    cited = f"{PAPER}, Fig. 3 ({figure}), Sec. 7.2"
    chi_w, s, p = (QUANTITIES[name][0] for name in ("chi_w", "s", "p"))
    return [
        _peak(cited, phase_map, judgement.metric),
        _beats(
            cited, "left of the peak χ_w⁽¹⁾/χ_w⁽ˡ⁾ predicts the accuracy, and s does not", judgement, LEFT, chi_w, [s]
        ),
        _beats(cited, "right of the peak s predicts it, and χ_w⁽¹⁾/χ_w⁽ˡ⁾ does not", judgement, RIGHT, s, [chi_w]),
        _beats(cited, "right of the peak p predicts it as s does", judgement, RIGHT, p, [chi_w]),
    ]


def _fig3c(phase_map: xr.Dataset, judgement: Judgement) -> list[Row]:
    cited, s = f"{PAPER}, Fig. 3 (c), Sec. 7.2", QUANTITIES["s"][0]
    ratios = [QUANTITIES[name][0] for name in ("chi", "chi_w", "chi_v")]
    return [
        _direction(cited, "s predicts the performance", judgement, WHOLE, s),
        _beats(cited, "s alone predicts it: the ratios of gradients do not", judgement, WHOLE, s, ratios),
    ]


def _traces(cited: str, sentence: str, level: DivergenceLevel | None) -> Row:
    if level is None:
        return Row(cited, sentence, "not all kinds of network are on this map: some must diverge and some not", "open")
    share = level.wrong / level.networks
    # as many on the wrong side as if every network were said to be fine: the level says nothing
    useless = level.wrong >= min(level.diverged, level.networks - level.diverged)
    wrong = f"{level.wrong} of {counted(level.networks, 'network')}"
    measured = f"the level {level.level:.3g} has {wrong} on the wrong side"
    return Row(cited, sentence, measured, "yes" if share <= SEPARATES and not useless else "no")


def _level(cited: str, sentence: str, level: DivergenceLevel | None) -> Row:
    if level is None:
        return Row(cited, sentence, "no level can be fitted", "open")
    measured = f"C = {level.level:.1f} ({level.low:.1f} to {level.high:.1f}) with W_r"
    return Row(cited, sentence, measured, "yes" if level.low <= 10 <= level.high else "no")


def _of(judgement: Judgement, region: str, name: str) -> Ranked | None:
    ranked = judgement.rankings.get(region) or judgement.rankings.get(WHOLE, [])
    return next((one for one in ranked if one.name == name and overall(one) is not None), None)


def _score(one: Ranked) -> str:
    parts = [(score, what) for score, what in ((one.columns, "columns"), (one.depths, "depths")) if score]
    return ", ".join(f"{s.r2:.2f} ({s.low:.2f} to {s.high:.2f}) on unseen {what}" for s, what in parts)


def _direction(cited: str, sentence: str, judgement: Judgement, region: str, name: str) -> Row:
    one = _of(judgement, region, name)
    if one is None:
        return Row(cited, sentence, "too few networks", "open")
    measured = f"accuracy {one.direction} with {name}: R² {_score(one)}"
    value = overall(one)
    assert value is not None
    if one.direction != "rises":
        return Row(cited, sentence, measured, "no")
    return Row(cited, sentence, measured, "yes" if value >= PREDICTS else "no" if value <= 0 else "open")


def _beats(cited: str, sentence: str, judgement: Judgement, region: str, name: str, others: list[str]) -> Row:
    """Whether ``name`` predicts and the best of ``others`` does worse, beyond the interval of their difference over
    the blocks; if only within it, the sentence stays open."""
    one = _of(judgement, region, name)
    rivals = [rival for other in others if (rival := _of(judgement, region, other)) is not None]
    if one is None or not rivals:
        return Row(cited, sentence, "too few networks", "open")
    best = max(rivals, key=lambda rival: overall(rival) or -np.inf)
    measured = f"R² of {name}: {_score(one)}; the best other, {best.name}: {_score(best)}"
    own, other = overall(one), overall(best)
    assert own is not None
    assert other is not None
    if one.cells < FEWEST:
        return Row(cited, sentence, f"of this map only {counted(one.cells, 'cell')} there ({measured})", "open")
    if own < PREDICTS or own <= other:
        return Row(cited, sentence, measured, "no")
    pairs = [(a, b) for a, b in ((one.columns, best.columns), (one.depths, best.depths)) if a and b]
    leads = [a.lead(b) for a, b in pairs]
    ahead = " and ".join(f"{low:.2f} to {high:.2f}" for low, high in leads)
    apart = all(low > 0 for low, _ in leads)
    return Row(cited, sentence, f"{measured}; ahead by {ahead}", "yes" if apart else "open")


def _peak(cited: str, phase_map: xr.Dataset, metric: str) -> Row:
    """At the deepest networks the best column is not the first: by how much, in standard errors over seeds."""
    sentence = "there is a visible peak in the upper left: deep networks are best at a small β that is not 0"
    accuracy = accuracies(phase_map, metric)
    mean, count = seed_means(accuracy)
    best = int(best_columns(phase_map, metric)[-1])
    x = phase_map[phase_map.attrs["x_axis"]].values
    if not (count[-1, [0, best]] > 1).all():
        return Row(cited, sentence, "not enough networks at the greatest depth", "open")
    gain = float(mean[-1, best] - mean[-1, 0])
    variance = sum(np.nanvar(accuracy[-1, j], ddof=1) / count[-1, j] for j in {0, best})
    error = float(np.sqrt(variance))
    measured = (
        f"at depth {int(phase_map['depth'].values[-1])} the best is β = {x[best]:g} with {mean[-1, best]:.2f}; "
        f"β = {x[0]:g} has {gain:.2f} less (standard error {error:.2f}), β = {x[-1]:g} has "
        f"{mean[-1, best] - mean[-1, -1]:.2f} less"
    )
    if not x[0] < x[best] <= (x[0] + x[-1]) / 2:
        return Row(cited, sentence, measured, "no")
    return Row(cited, sentence, measured, "yes" if gain > 2 * error else "open")
