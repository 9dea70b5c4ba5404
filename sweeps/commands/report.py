"""``phasemap report``: results from any sources as a page."""

from __future__ import annotations

from typing import Annotated

import typer

from phasemap.sweeps.commands.options import OutFile, Sources, Trust
from phasemap.theory.shown import shown
from phasemap.theory.trust import reading


def command(
    sources: Sources,
    out: OutFile = None,
    style: Annotated[str, typer.Option(help="report (screen) or paper (print)")] = "report",
    index: Annotated[bool, typer.Option("--index", help="one page over every report below these folders")] = False,
    trust: Trust = False,
) -> None:
    """Draws the report again; its path is the last line.

    Example: phasemap report runs/bn-fig3a-quick --out report.html
    """
    if index:
        from phasemap.sweeps.report.index_page import write_over

        print(shown(str(write_over(sources, out=out))))
    else:
        from phasemap.sweeps.report.draw import draw

        with reading(trust=trust):
            page = draw(sources, out=out, style=style)
        print(shown(str(page)))
