"""``phasemap report``: results from any sources as a page."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Fix, OutFile, Sources, Trust, X, Y
from phasemap.theory.errors import InputError
from phasemap.theory.shown import shown
from phasemap.theory.trust import reading


def command(
    sources: Sources,
    out: OutFile = None,
    style: Annotated[str, typer.Option(help="report (screen) or paper (print)")] = "report",
    panels: Annotated[int, typer.Option(help="of a map's picture: 2, or 1 at a column's width")] = 2,
    frontier: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option(
            "--frontier/--no-frontier", help="measured frontier and fitted line; by default not in --style paper"
        ),
    ] = None,
    x: X = None,
    y: Y = None,
    fix: Fix = None,
    index: Annotated[bool, typer.Option("--index", help="one page over every report below these folders")] = False,
    trust: Trust = False,
) -> None:
    """Draws the report again; its path is the last line.

    Example: phasemap report runs/bn-fig3a-quick --out report.html
    """
    from phasemap.sweeps.phase_map.view import view

    if index:
        if x or y or fix:
            raise InputError("--index: shows every report as it was drawn; draw them with --x, --y and --fix first")
        from phasemap.sweeps.report.index_page import write_over

        print(shown(str(write_over(sources, out=out))))
    else:
        from phasemap.sweeps.figures.style import Look
        from phasemap.sweeps.report.draw import draw

        with reading(trust=trust):
            page = draw(sources, out=out, look=Look.of(style, panels, frontier), view=view(x, y, fix or ()))
        print(shown(str(page)))
