"""``phasemap train``: one tile from flat parameters. The program that W&B agents call, and a tile by hand."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Out

CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def command(
    context: typer.Context,
    out: Out = None,
    device: Annotated[Optional[str], typer.Option(help="cpu, or cuda:0; default: a GPU if there is one")] = None,  # noqa: UP045
    wandb: Annotated[
        str, typer.Option("--wandb", help="auto (only within an agent), online, offline or disabled")
    ] = "auto",
) -> int:
    """Trains one tile from --key value pairs, a JSON object or a file of one: the program that W&B agents call.

    Example: phasemap train --depth "[4, 8]" --width 64 --lr 0.01 --steps 200 --out runs/mine
    """
    from phasemap.train.machine.processes import check_limits

    check_limits()
    from phasemap.sweeps.execution.one_tile import train_one_tile
    from phasemap.sweeps.experiments.arguments import raw_parameters

    return train_one_tile(raw_parameters(context.args), out=out, device=device, wandb_mode=wandb)
