"""Comparisons in words, as ``phasemap compare`` prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from phasemap.sweeps.comparison.cell_correlation import likeness
from phasemap.sweeps.comparison.many_maps import Joint
from phasemap.sweeps.comparison.shared_function import Transfer
from phasemap.sweeps.comparison.two_maps import Comparison, against_theory
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.theory.plural import counted


def cell_by_cell(found: Comparison) -> list[str]:
    """What the cells that both maps have say."""
    depths, columns = found.difference.shape
    lines = [f"common grid: {counted(depths, 'depth')} x {counted(columns, 'column')}"]
    lines += ["B's columns are interpolated between its own to A's."] if found.interpolated else []
    if found.frontier_a is not None:
        lines += [line for line in (found.sentence, found.alike) if line]
    alike = likeness(found.a, found.b, found.metric)
    return [*lines, alike.sentence] if alike else lines


def transfers(carried: Sequence[Transfer]) -> list[str]:
    """How well each quantity's function carries over from map to map."""
    if not carried:
        return []
    return [
        "One monotone function of each quantity, fitted to one map, predicts the other (R²):",
        f"{'quantity':<24}{'A to B':>8}{'B to A':>8}",
        *(f"{each.name:<24}{each.a_to_b:>8.2f}{each.b_to_a:>8.2f}" for each in carried),
    ]


def together(found: Joint, names: Mapping[str, str]) -> list[str]:
    """Three maps and more: each one's κ, every pair's frontiers, and what they say together; ``names`` by letter."""
    lines = [f"{letter}: {name}" for letter, name in names.items()]
    lines += ["", _heading("map", 6), *(_row(letter, one, 6) for letter, one in found.agreements.items()), ""]
    lines.append(f"{'pair':<8}{'r of log frontiers (95%)':<28}{'rank':>6}  ratio of κ (95%)")
    for (one, other), pair in found.pairs.items():
        r, ends = pair.pearson or (None, None)
        pearson = "-" if r is None else f"{r:.2f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else "")
        ratio = str(pair.kappa_ratio or pair.shift or "-") + (", interpolated" if pair.interpolated else "")
        lines.append(f"{one} / {other}   {pearson:<28}{_text(pair.spearman, '.2f'):>6}  {ratio}")
    return [*lines, "", found.sentence]


def theories(phase_map: xr.Dataset, activation: str, metric: str) -> list[str]:
    """The map beside the theory of its own activation and of another. Raises InputError where that says nothing."""
    own, other = against_theory(phase_map, activation, metric)
    name = str(phase_map.attrs["activation"])
    lines = [_heading("theory of", 24), _row(name, own, 24), _row(activation, other, 24)]
    found = {name: own, activation: other}
    lines += [f"No κ with the theory of {which}: {one.verdict}" for which, one in found.items() if one.kappa is None]
    if own.spread is not None and other.spread is not None:
        better = name if own.spread <= other.spread else activation
        lines.append(f"One κ ξ fits all columns better with the theory of {better}.")
    return lines


def _heading(what: str, width: int) -> str:
    return f"{what:<{width}}{'κ':>8}{'95% interval':>18}{'spread':>9}{'ρ':>7}"


def _row(name: str, agreement: Agreement, width: int) -> str:
    interval = f"{agreement.interval.low:.1f} to {agreement.interval.high:.1f}" if agreement.interval else "-"
    return (
        f"{name:<{width}}{_text(agreement.kappa, '.1f'):>8}{interval:>18}"
        f"{_text(agreement.spread, '.0%'):>9}{_text(agreement.rho, '.2f'):>7}"
    )


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
