"""``phasemap compare``: two or more result folders or sweeps, or one against the theory of another activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Fix, Trust, X, Y
from phasemap.theory.errors import InputError
from phasemap.theory.shown import shown
from phasemap.theory.trust import reading

if TYPE_CHECKING:
    import xarray as xr

    from phasemap.sweeps.comparison.many_maps import Joint
    from phasemap.sweeps.comparison.two_maps import Comparison
    from phasemap.sweeps.phase_map.view import View

THEORY = "theory:"


def command(
    a: Annotated[str, typer.Argument(help="an output folder, or wandb:ENTITY/PROJECT/SWEEP")],
    b: Annotated[list[str], typer.Argument(help="another one (or several), or theory:ACTIVATION")],
    metric: Annotated[str, typer.Option(help="what to compare")] = "test_accuracy",
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="a picture: .png, .pdf or .svg; without suffix a PNG and a PDF"),
    ] = None,
    x: X = None,
    y: Y = None,
    fix: Fix = None,
    trust: Trust = False,
) -> None:
    """Compares two maps or more, or a map with the theory of another activation: difference and shift of the frontier.

    Example: phasemap compare runs/bn-fig3a-quick runs/bn-fig3c-quick --out difference
    """
    from phasemap.sweeps.phase_map.view import view

    own = [other.removeprefix(THEORY) for other in b if other.startswith(THEORY)]
    with reading(trust=trust, own=own):
        text = run(a, *b, metric=metric, out=out, view=view(x, y, fix or ()))
    print(shown(text, lines=True))


def run(a: str, *others: str, metric: str = "test_accuracy", out: Path | None = None, view: View | None = None) -> str:
    """The comparison in words.

    Args:
        a: a result folder or ``wandb:ENTITY/PROJECT/SWEEP``. others: one or more of them, or one ``theory:ACTIVATION``.
        out: for the picture of the difference, or of the frontiers of more than two maps: with the suffix of a picture,
            or without for a PNG and a PDF; none is drawn if not given, or against a theory.
        view: which map is made of each source.

    Raises:
        InputError: a source cannot be read or is empty, the maps do not compare, unknown activation or metric.
    """
    from phasemap.sweeps.comparison.differences import differences
    from phasemap.sweeps.comparison.text import theories
    from phasemap.sweeps.sources.open_map import WHOLE, open_map

    if not others:
        raise InputError("compare: give a second map, or theory:ACTIVATION")
    _check_suffix(out)
    view = view or WHOLE
    if len(others) > 1:
        return "\n".join(_several([a, *others], metric, out, view))
    (b,) = others
    one = open_map([a], view)
    if b.startswith(THEORY):
        return "\n".join(theories(one, b.removeprefix(THEORY), metric))
    other = open_map([b], view)
    apart = differences({"A": one, "B": other})
    return "\n".join([f"A: {a}", f"B: {b}", *apart, "", *_two(one, other, metric, out)])


def _two(one: xr.Dataset, other: xr.Dataset, metric: str, out: Path | None) -> list[str]:
    from phasemap.sweeps.comparison.shared_function import transfer
    from phasemap.sweeps.comparison.text import cell_by_cell, transfers
    from phasemap.sweeps.comparison.two_maps import compare

    carried = transfer(one, other, metric)
    lines = []
    if not carried or all(one.attrs[axis] == other.attrs[axis] for axis in ("x_axis", "y_axis")):
        found = compare(one, other, metric)
        lines = cell_by_cell(found)
        if out is not None:
            lines += [str(path) for path in _draw_difference(found, out)]
    return [*lines, *transfers(carried)]


def _check_suffix(out: Path | None) -> None:
    """Raises InputError for the suffix of what is no picture."""
    from phasemap.sweeps.figures.style import PICTURES

    if out is not None and out.suffix and out.suffix[1:].lower() not in PICTURES:
        raise InputError(f"--out {out}: expected a name that ends in one of {', '.join(f'.{one}' for one in PICTURES)}")


def _several(sources: list[str], metric: str, out: Path | None, view: View) -> list[str]:
    from phasemap.sweeps.comparison.differences import differences
    from phasemap.sweeps.comparison.many_maps import joint
    from phasemap.sweeps.comparison.text import together
    from phasemap.sweeps.overlays.catalogue import theory_of
    from phasemap.sweeps.sources.open_map import open_map

    if mistaken := [source for source in sources if source.startswith(THEORY)]:
        raise InputError(f"compare: {mistaken[0]}: a theory is compared with one map")
    if len(set(sources)) < len(sources):
        raise InputError("compare: a map is given twice")
    names = {chr(ord("A") + i): source for i, source in enumerate(sources)}
    maps = {letter: open_map([source], view) for letter, source in names.items()}
    for letter, one in maps.items():
        theory = theory_of(one)
        if not theory.has_frontier:
            raise InputError(
                f"compare: {names[letter]}: {theory.networks} have no frontier; compare two maps at a time"
            )
    found = joint(maps, metric)
    lines = [*together(found, names), "", *differences(maps)]
    return lines if out is None else [*lines, *map(str, _draw_frontiers(found, maps, out))]


def _draw_difference(found: Comparison, out: Path) -> Sequence[Path]:
    from phasemap.sweeps.figures.maps.difference import draw
    from phasemap.sweeps.figures.style import save_named, styled

    with styled():
        figure = draw(found).get_figure(root=True)
    assert figure is not None
    return save_named(figure, out)


def _draw_frontiers(found: Joint, maps: Mapping[str, xr.Dataset], out: Path) -> Sequence[Path]:
    from phasemap.sweeps.figures.maps.frontiers import draw
    from phasemap.sweeps.figures.style import save_named, styled

    with styled():
        figure = draw(found, maps).get_figure(root=True)
        assert figure is not None
        return save_named(figure, out)
