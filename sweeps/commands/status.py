"""``phasemap status``: how far an output folder or a W&B sweep is."""

from __future__ import annotations

from typing import Annotated

import typer

from phasemap.sweeps.commands.options import Source
from phasemap.theory.shown import shown


def command(
    source: Source,
    requeue: Annotated[
        bool, typer.Option("--requeue", help="free the failed tiles (of W&B: delete their runs)")
    ] = False,
) -> None:
    """Cells finished, diverged, dead, missing, failed and running, tile by tile.

    Example: phasemap status runs/bn-fig3a-quick
    """
    from phasemap.sweeps.sources.status import of

    print(shown(of(source, requeue=requeue).text(), lines=True))
