"""``phasemap compare``: two or more result folders or sweeps, or one against the theory of another activation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Trust
from phasemap.theory.errors import InputError
from phasemap.theory.shown import shown
from phasemap.theory.trust import reading

if TYPE_CHECKING:
    import xarray as xr

    from phasemap.sweeps.comparison.many_maps import Joint
    from phasemap.sweeps.comparison.two_maps import Comparison

THEORY = "theory:"


def command(
    a: Annotated[str, typer.Argument(help="an output folder, or wandb:ENTITY/PROJECT/SWEEP")],
    b: Annotated[list[str], typer.Argument(help="another one (or several), or theory:ACTIVATION")],
    metric: Annotated[str, typer.Option(help="what to compare")] = "test_accuracy",
    out: Annotated[Optional[Path], typer.Option(help="the picture's path, without suffix")] = None,  # noqa: UP045
    trust: Trust = False,
) -> None:
    """Compares two maps or more, or a map with the theory of another activation: difference and shift of the frontier.

    Example: phasemap compare runs/bn-fig3a-quick runs/bn-fig3c-quick --out difference
    """
    own = [other.removeprefix(THEORY) for other in b if other.startswith(THEORY)]
    with reading(trust=trust, own=own):
        text = run(a, *b, metric=metric, out=out)
    print(shown(text, lines=True))


def run(a: str, *others: str, metric: str = "test_accuracy", out: Path | None = None) -> str:
    """The comparison in words.

    Args:
        a: a result folder or ``wandb:ENTITY/PROJECT/SWEEP``. others: one or more of them, or one ``theory:ACTIVATION``.
        out: path without suffix for the PNG and PDF of the difference, or of the frontiers of more than two maps; none
            is drawn if not given, or against a theory.

    Raises:
        InputError: a source cannot be read or is empty, the maps do not compare, unknown activation or metric.
    """
    from phasemap.sweeps.comparison.text import theories
    from phasemap.sweeps.sources.open_map import open_map

    if not others:
        raise InputError("compare: give a second map, or theory:ACTIVATION")
    if len(others) > 1:
        return "\n".join(_several([a, *others], metric, out))
    (b,) = others
    one = open_map([a])
    if b.startswith(THEORY):
        return "\n".join(theories(one, b.removeprefix(THEORY), metric))
    return "\n".join([f"A: {a}", f"B: {b}", *_two(one, open_map([b]), metric, out)])


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


def _several(sources: list[str], metric: str, out: Path | None) -> list[str]:
    from phasemap.sweeps.comparison.many_maps import joint
    from phasemap.sweeps.comparison.text import together
    from phasemap.sweeps.overlays.catalogue import theory_of
    from phasemap.sweeps.sources.open_map import open_map

    if mistaken := [source for source in sources if source.startswith(THEORY)]:
        raise InputError(f"compare: {mistaken[0]}: a theory is compared with one map")
    if len(set(sources)) < len(sources):
        raise InputError("compare: a map is given twice")
    names = {chr(ord("A") + i): source for i, source in enumerate(sources)}
    maps = {letter: open_map([source]) for letter, source in names.items()}
    for letter, one in maps.items():
        theory = theory_of(one)
        if not theory.has_frontier:
            raise InputError(
                f"compare: {names[letter]}: {theory.networks} have no frontier; compare two maps at a time"
            )
    found = joint(maps, metric)
    lines = together(found, names)
    return lines if out is None else [*lines, *map(str, _draw_frontiers(found, maps, out))]


def _draw_difference(found: Comparison, out: Path) -> tuple[Path, Path]:
    from phasemap.sweeps.figures.maps.difference import draw
    from phasemap.sweeps.figures.style import save, styled

    with styled():
        figure = draw(found).get_figure(root=True)
    assert figure is not None
    return save(figure, out)


def _draw_frontiers(found: Joint, maps: Mapping[str, xr.Dataset], out: Path) -> tuple[Path, Path]:
    from phasemap.sweeps.figures.maps.frontiers import draw
    from phasemap.sweeps.figures.style import save, styled

    with styled():
        figure = draw(found, maps).get_figure(root=True)
        assert figure is not None
        return save(figure, out)
