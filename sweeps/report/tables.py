"""The report's tables as plain rows of text: columns, agreement per metric, outcomes, provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xarray as xr

from phasemap.sweeps.figures.trained.exhibit import Table
from phasemap.sweeps.overlays.prediction import Prediction
from phasemap.sweeps.phase_map.axes import in_words, map_axis
from phasemap.sweeps.phase_map.from_results import COUNTS
from phasemap.sweeps.phase_map.squares import outcome_counts
from phasemap.sweeps.verdict.depth_scale import Agreement, sum_lr_in_words
from phasemap.sweeps.verdict.divergence_level import DivergenceLevel
from phasemap.sweeps.verdict.kappa_by_share import Contour
from phasemap.sweeps.verdict.kappa_interval import Interval
from phasemap.sweeps.verdict.ranking import Ranked, Score
from phasemap.sweeps.verdict.which_scale import Collapse, Scale
from phasemap.theory.plural import counted

DASH = "–"


def number(value: float | None, digits: int = 2) -> str:
    """Fixed digits; a dash for what does not exist, and no minus before a zero."""
    return DASH if value is None or value != value else f"{round(value, digits) + 0.0:.{digits}f}"


def ends(interval: Interval | None, digits: int = 2) -> str:
    """``low to high``; a dash for what does not exist."""
    return (
        f"{number(interval.low, digits)}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{number(interval.high, digits)}"
        if interval
        else DASH
    )


def multiples(agreement: Agreement) -> str:
    """Between what frontier/ξ lies."""
    found = agreement.multiples
    ends = dict.fromkeys(number(end, 1) for end in found or ())
    return "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}".join(ends) or DASH


def column_rows(phase_map: xr.Dataset, agreement: Agreement) -> list[dict[str, str]]:
    """One row per column: x, ξ, regime, the paper's multiple of ξ, frontier, their ratio, what is special."""
    axis, found, predicted = map_axis(phase_map, "x"), agreement.frontier, agreement.prediction
    special = {
        "": "",
        "left": "fails at every depth",
        "right": "trains at every depth",
        "missing": "not run",
    }
    return [
        {
            "x": axis.ticks[i],
            "xi": number(float(predicted.xi[i])),
            "regime": predicted.regime[i],
            "predicted": number(predicted.factor * float(predicted.xi[i]), 1),
            "frontier": number(float(found.depth[i]), 1),
            "ratio": number(float(agreement.ratio[i]), 1),
            "special": "; ".join(
                part for part in (special[found.censored[i]], elsewhere(predicted, i), predicted.reasons[i]) if part
            ),
        }
        for i in range(len(axis.ticks))
    ]


def elsewhere(predicted: Prediction, column: int) -> str:
    """What to say of a column whose networks leave the fixed point BSB1; "" of the others."""
    return (
        "equal correlations (BSB1) are unstable: ξ is that where batches go (BSB2)"
        if "BSB2" in predicted.fixed_points[column : column + 1]
        else ""
    )


def square_rows(data: Mapping[str, Any], metric: str) -> list[list[str]]:
    """One row per value of the y axis, the largest first: the axis's value, then the metric (or the state) of each
    square. ``data`` is ``page_data.payload``."""
    mean, kind, kinds = data["metrics"][metric]["mean"], data["kind"], data["kinds"]
    return [
        [tick, *(kinds[kind[i][j]]["state"] if value is None else f"{value:.2f}" for j, value in enumerate(mean[i]))]
        for i, tick in reversed(list(enumerate(data["y"]["ticks"])))
    ]


def agreement_rows(agreements: Iterable[Agreement], titles: Mapping[str, str]) -> list[dict[str, str]]:
    """One row per metric, called by ``titles``: κ, its interval, spread, ρ (of ξ, of the swept parameter) and how
    many columns each rests on."""
    rows = []
    for one in agreements:
        rows.append(
            {
                "metric": titles[one.metric],
                "kappa": multiples(one) if one.constant else number(one.kappa, 1),
                "interval": ends(one.interval, 1),
                "spread": DASH if one.spread is None else f"{one.spread:.0%}",
                "rho": number(one.rho),
                "rho_of_axis": number(one.rho_of_axis),
                "used": str(one.used),
                "left": str(one.censored_left),
                "right": str(one.censored_right),
                "missing": str(one.missing),
            }
        )
    return rows


def collapse_table(one: Collapse) -> Table:
    """A row per scale, the best collapse of the frontiers first: its standard deviation with interval, its ratio to
    that of the theory's own scale, and the multiple of it at which the frontiers lie."""
    own = one.own.partition(" ")[0]

    def row(scale: Scale) -> tuple[str, ...]:
        name = ("" if scale.predicted else "baseline: ") + scale.name + (", fitted" if scale.fitted else "")
        ratio = number(scale.ratio) + (f" ({ends(scale.ratio_interval)})" if scale.ratio_interval else "")
        spread = number(scale.spread, 3), ends(scale.interval, 3)
        return name, *spread, "1" if scale.name == one.own else ratio, number(scale.factor, 1)

    header = ("scale", "standard deviation of ln(frontier/scale)", "95% interval", f"by that of {own} (95%)")
    title = f"Which depth scale, where gradients are {one.side}"
    return Table(title, (*header, "frontier/scale"), tuple(row(scale) for scale in one.scales))


def slope_table(contours: Sequence[Contour], titles: Mapping[str, str]) -> Table:
    """A row per share of the lead (and side), with κ, its interval and the columns behind it for each accuracy."""
    metrics = list(dict.fromkeys(one.metric for one in contours))
    sides = len({one.side for one in contours}) > 1
    rows: dict[str, list[str]] = {}
    for one in contours:
        name = f"{one.share:.0%}" + (f", {one.side} gradients" if sides else "")
        beyond = f"{one.used} ({one.shallower} / {one.deeper} / {one.missing})"
        rows.setdefault(name, [name]).extend((number(one.kappa, 1), ends(one.interval, 1), beyond))
    parts = [
        (f"κ, {titles[metric]}", "95% interval", "columns used (shallower / deeper / not run)") for metric in metrics
    ]
    header = ("share of the lead", *(cell for part in parts for cell in part))
    return Table("Where on the slope", header, tuple(tuple(row) for row in rows.values()))


def ranking_rows(ranked: Iterable[Ranked]) -> list[dict[str, str]]:
    """One row per quantity, the best first: out-of-fold R² with its interval."""

    def score(one: Score | None) -> str:
        return DASH if one is None else f"{number(one.r2)} ({number(one.low)} to {number(one.high)})"

    return [
        {
            "name": f"baseline: {in_words(one.name.removesuffix(' alone'))} alone" if one.baseline else one.name,
            "direction": f"accuracy {one.direction}",
            "columns": score(one.columns),
            "depths": score(one.depths),
        }
        for one in ranked
    ]


def level_rows(found: Iterable[DivergenceLevel]) -> list[dict[str, str]]:
    """One row per quantity, the best separation of the networks that diverge first."""
    return [
        {
            "name": one.name,
            "level": f"{one.level:.2f} ({one.low:.2f} to {one.high:.2f})",
            "wrong": f"{one.wrong} of {one.networks}",
            "separation": number(one.separation, 3),
        }
        for one in found
    ]


def outcome_rows(phase_map: xr.Dataset) -> list[tuple[str, int]]:
    """(outcome or count, how many), every outcome named; the counts only where they are not zero."""
    counted = {
        "duplicates": "trained more than once (averaged)",
        "conflicts": "of these, with different outcomes (the more frequent counts)",
        "unexpected": "results outside this experiment's grid (left out)",
    }
    extra = [(counted[name], int(phase_map.attrs[name])) for name in COUNTS if phase_map.attrs[name]]
    if beyond := int((phase_map["exceeds_float32"].values > 0).sum()):
        extra.append(("of all, in float32 though gradients leave its range (white corner)", beyond))
    return [*outcome_counts(phase_map).items(), *extra]


def provenance_rows(phase_map: xr.Dataset, provenance: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Where the numbers come from; several values are listed with how many tiles have each."""
    attributes = phase_map.attrs
    rows = [
        ("data", str(attributes["data"]) or DASH),
        ("seeds", ", ".join(str(seed) for seed in phase_map["seed"].values)),
        ("dtype", str(attributes["dtype"]) or DASH),
        ("Σ lr", sum_lr_in_words(phase_map)),
    ]
    if not provenance:
        return rows
    wall = sum(float(one.get("wall_time") or 0.0) for one in provenance)
    rows += [
        ("device", _counted(one.get("device") for one in provenance)),
        ("commit", _counted(one.get("commit") for one in provenance)),
        ("training time, all tiles together", duration(wall)),
        ("tiles", str(len(provenance))),
    ]
    created = sorted(str(one["created"]) for one in provenance if one.get("created"))
    if created:
        rows.append(("trained between", f"{created[0]} and {created[-1]}"))
    packages = sorted({name for one in provenance for name in one.get("versions", {})})
    return rows + [(name, _counted(one.get("versions", {}).get(name) for one in provenance)) for name in packages]


def _counted(values: Iterable[Any]) -> str:
    counts = Counter(DASH if value is None else str(value) for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({counted(count, 'tile')})" for value, count in counts.most_common())


def duration(seconds: float) -> str:
    """``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
