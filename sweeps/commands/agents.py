"""``phasemap agents``: W&B agents on this machine's GPUs."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Devices


def command(
    sweep: Annotated[str, typer.Argument(help="ENTITY/PROJECT/SWEEP")],
    devices: Devices = None,
    restarts: Annotated[int, typer.Option(help="how often an agent that ended too early is started again")] = 3,
    count: Annotated[Optional[int], typer.Option(help="tiles per agent; default: as long as there are any")] = None,  # noqa: UP045
) -> int:
    """Starts and watches one W&B agent per GPU; they and their runs end with this command.

    Example: phasemap agents me/phasemap/abc123 --devices 0,1,2,3
    """
    from phasemap.sweeps.execution.agents.watch import watch

    return watch(sweep, devices=devices, restarts=restarts, count=count)
