"""``phasemap theory figure``: the figures that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from phasemap.theory.shown import shown


def command(
    name: Annotated[str, typer.Argument(help="a figure's name, such as bn-fig1; a wrong one lists all")],
    out: Annotated[Path, typer.Option(help="output folder")] = Path("figures"),
    networks: Annotated[Optional[int], typer.Option(help="sampled networks; the papers: 200")] = None,  # noqa: UP045
    width: Annotated[Optional[int], typer.Option(help="their width; the first paper: 1000")] = None,  # noqa: UP045
    seed: Annotated[Optional[int], typer.Option(help="of the sampled networks")] = None,  # noqa: UP045
    style: Annotated[str, typer.Option(help="report (screen) or paper (print)")] = "report",
) -> None:
    """Draws a figure that needs no training, as PNG and PDF; their paths are the last lines.

    Example: phasemap theory figure bn-fig1 --networks 200 --width 1000
    """
    from phasemap.sweeps.figures.draw_figure import draw_figure

    for path in draw_figure(name, out=out, networks=networks, width=width, seed=seed, style=style):
        print(shown(str(path)))
