"""``phasemap compare``: two result folders or sweeps, or one against the theory of another activation."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from sweeps.agreement import Agreement
from sweeps.compare import against_theory, compare
from sweeps.likeness import likeness
from sweeps.sources import gather
from sweeps.transfer import transfer
from theory.errors import InputError

THEORY = "theory:"


def run(a: str, b: str, *, metric: str = "test_accuracy", out: Path | None = None) -> str:
    """The comparison in words.

    Args:
        a: a result folder or ``wandb:ENTITY/PROJECT/SWEEP``. b: another one, or ``theory:ACTIVATION``.
        out: path without suffix for the difference map's PNG and PDF; none is drawn if not given, or against a theory.

    Raises:
        InputError: a source cannot be read or is empty, the maps do not compare, unknown activation or metric.
    """
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
    if one.attrs.get("architecture") != "resnet":  # whose accuracy need not fall with depth: there is no frontier
        lines.append(found.sentence)
    alike = likeness(found.a, found.b, metric)
    lines += [alike.sentence] if alike else []
    if out is not None:
        from sweeps.figures.difference import draw
        from sweeps.figures.style import save, styled

        with styled():
            figure = draw(found).get_figure(root=True)
        assert figure is not None
        lines += [str(path) for path in save(figure, out)]
    return lines


def _map(source: str) -> xr.Dataset:
    from sweeps.phase_map import build

    found = gather([source])
    if not found.results:
        raise InputError(f"{source}: there are no results yet")
    return build(found.contents, found.expected_cells)


def _theories(one: xr.Dataset, activation: str, metric: str) -> str:
    own, other = against_theory(one, activation, metric)
    lines = [f"{'theory of':<24}{'kappa':>8}{'95% interval':>18}{'spread':>9}{'rho':>7}"]
    lines += [_row(str(one.attrs["activation"]), own), _row(activation, other)]
    if own.spread is not None and other.spread is not None:
        better = str(one.attrs["activation"]) if own.spread <= other.spread else activation
        lines.append(f"One multiple of xi fits all columns better with the theory of {better}.")
    return "\n".join(lines)


def _row(name: str, agreement: Agreement) -> str:
    def text(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    interval = f"{agreement.interval.low:.1f} to {agreement.interval.high:.1f}" if agreement.interval else "-"
    return (
        f"{name:<24}{text(agreement.kappa, '.1f'):>8}{interval:>18}"
        f"{text(agreement.spread, '.0%'):>9}{text(agreement.rho, '.2f'):>7}"
    )
