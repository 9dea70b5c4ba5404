"""``phasemap compare``: two or more result folders or sweeps, or one against the theory of another activation."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from phasemap.sweeps.comparison.cell_correlation import likeness
from phasemap.sweeps.comparison.many_maps import Joint, joint
from phasemap.sweeps.comparison.shared_function import transfer
from phasemap.sweeps.comparison.two_maps import against_theory, compare
from phasemap.sweeps.sources.gather import gather
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.theory.errors import InputError

THEORY = "theory:"


def run(a: str, *others: str, metric: str = "test_accuracy", out: Path | None = None) -> str:
    """The comparison in words.

    Args:
        a: a result folder or ``wandb:ENTITY/PROJECT/SWEEP``. others: one or more of them, or one ``theory:ACTIVATION``.
        out: path without suffix for the PNG and PDF of the difference, or of the frontiers of more than two maps; none
            is drawn if not given, or against a theory.

    Raises:
        InputError: a source cannot be read or is empty, the maps do not compare, unknown activation or metric.
    """
    if not others:
        raise InputError("compare: give a second map, or theory:ACTIVATION")
    if len(others) > 1:
        return _together([a, *others], metric, out)
    (b,) = others
    one = _map(a)
    if b.startswith(THEORY):
        return _theories(one, b.removeprefix(THEORY), metric)
    other = _map(b)
    lines = [f"A: {a}", f"B: {b}"]
    carried = transfer(one, other, metric)  # only between residual networks
    if not carried or _axes(one) == _axes(other):
        lines += _cell_by_cell(one, other, metric, out)
    if carried:
        lines += [
            "One monotone function of each quantity, fitted to one map, predicts the other (R²):",
            f"{'quantity':<24}{'A to B':>8}{'B to A':>8}",
            *(f"{each.name:<24}{each.a_to_b:>8.2f}{each.b_to_a:>8.2f}" for each in carried),
        ]
    return "\n".join(lines)


def _axes(phase_map: xr.Dataset) -> tuple[str, str]:
    return phase_map.attrs["y_axis"], phase_map.attrs["x_axis"]


def _cell_by_cell(one: xr.Dataset, other: xr.Dataset, metric: str, out: Path | None) -> list[str]:
    """What the cells that both maps have say, and the picture of their difference. Raises InputError without any."""
    found = compare(one, other, metric)
    lines = [f"common grid: {found.difference.shape[0]} depths x {found.difference.shape[1]} columns"]
    lines += ["B's columns are interpolated between its own to A's."] if found.interpolated else []
    if found.frontier_a is not None:
        lines += [line for line in (found.sentence, found.alike) if line]
    alike = likeness(found.a, found.b, metric)
    lines += [alike.sentence] if alike else []
    if out is not None:
        from phasemap.sweeps.figures.maps.difference import draw
        from phasemap.sweeps.figures.style import save, styled

        with styled():
            figure = draw(found).get_figure(root=True)
        assert figure is not None
        lines += [str(path) for path in save(figure, out)]
    return lines


def _together(names: list[str], metric: str, out: Path | None) -> str:
    """Three maps and more: each one's κ, every pair's frontiers, and what they say together."""
    if mistaken := [name for name in names if name.startswith(THEORY)]:
        raise InputError(f"compare: {mistaken[0]}: a theory is compared with one map")
    if len(set(names)) < len(names):
        raise InputError("compare: a map is given twice")
    letters = {chr(ord("A") + i): name for i, name in enumerate(names)}
    maps = {letter: _map(name) for letter, name in letters.items()}
    if residual := [letters[key] for key, one in maps.items() if one.attrs.get("architecture") == "resnet"]:
        raise InputError(f"compare: {residual[0]}: residual networks have no frontier; compare two maps at a time")
    found = joint(maps, metric)
    lines = [f"{letter}: {name}" for letter, name in letters.items()]
    lines += ["", _heading("map", 6), *(_row(letter, one, 6) for letter, one in found.agreements.items()), ""]
    lines.append(f"{'pair':<8}{'r of log frontiers (95%)':<28}{'rank':>6}  ratio of κ (95%)")
    for (one, other), pair in found.pairs.items():
        r, ends = pair.pearson or (None, None)
        told = "-" if r is None else f"{r:.2f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else "")
        ratio = str(pair.kappa_ratio or pair.shift or "-") + (", interpolated" if pair.interpolated else "")
        lines.append(f"{one} / {other}   {told:<28}{_text(pair.spearman, '.2f'):>6}  {ratio}")
    lines += ["", found.sentence]
    if out is not None:
        lines += [str(path) for path in _draw_frontiers(found, maps, out)]
    return "\n".join(lines)


def _draw_frontiers(found: Joint, maps: dict[str, xr.Dataset], out: Path) -> tuple[Path, Path]:
    from phasemap.sweeps.figures.maps.frontiers import draw
    from phasemap.sweeps.figures.style import save, styled

    with styled():
        figure = draw(found, maps).get_figure(root=True)
        assert figure is not None
        return save(figure, out)


def _map(source: str) -> xr.Dataset:
    from phasemap.sweeps.phase_map.from_results import build

    found = gather([source])
    if not found.results:
        raise InputError(f"{source}: there are no results yet")
    return build(found.contents, found.expected_cells)


def _theories(one: xr.Dataset, activation: str, metric: str) -> str:
    own, other = against_theory(one, activation, metric)
    lines = [_heading("theory of", 24), _row(str(one.attrs["activation"]), own, 24), _row(activation, other, 24)]
    if own.spread is not None and other.spread is not None:
        better = str(one.attrs["activation"]) if own.spread <= other.spread else activation
        lines.append(f"One multiple of xi fits all columns better with the theory of {better}.")
    return "\n".join(lines)


def _heading(what: str, width: int) -> str:
    return f"{what:<{width}}{'kappa':>8}{'95% interval':>18}{'spread':>9}{'rho':>7}"


def _row(name: str, agreement: Agreement, width: int) -> str:
    interval = f"{agreement.interval.low:.1f} to {agreement.interval.high:.1f}" if agreement.interval else "-"
    return (
        f"{name:<{width}}{_text(agreement.kappa, '.1f'):>8}{interval:>18}"
        f"{_text(agreement.spread, '.0%'):>9}{_text(agreement.rho, '.2f'):>7}"
    )


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
