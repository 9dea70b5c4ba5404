"""``phasemap bench``: times the engine against other ways to train the same cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.options import OutFile
from phasemap.theory.errors import InputError


def command(
    rows: Annotated[Optional[str], typer.Option(help="some of narrow,wide,seconds,...; default: all")] = None,  # noqa: UP045
    device: Annotated[Optional[str], typer.Option(help="cpu or the number of a GPU; default: a GPU if any")] = None,  # noqa: UP045
    repeats: Annotated[Optional[int], typer.Option(help="interleaved repetitions; default: 5")] = None,  # noqa: UP045
    out: OutFile = None,
    quick: Annotated[bool, typer.Option("--quick", help="a few small cells, within a minute")] = False,
    table: Annotated[Optional[Path], typer.Option(help="only show the table of this file of results")] = None,  # noqa: UP045
    into: Annotated[Optional[Path], typer.Option(help="with --table: the page whose marked block it becomes")] = None,  # noqa: UP045
) -> None:
    """Times the engine against other ways to train the same cells; leave the machine idle meanwhile (about 20 minutes).

    Example: phasemap bench --quick --out bench.json
    """
    from phasemap.train.bench import command as bench

    if out is not None and out.suffix not in ("", ".json"):
        raise InputError(f"--out {out}: expected a name that ends in .json")
    if table or into:
        print(bench.show(table, into))
    else:
        print(bench.run(rows=rows, device=device, repeats=repeats, out=out, quick=quick))
