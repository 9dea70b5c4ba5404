"""``phasemap train``: one tile from flat parameters. The program that W&B agents call, and a tile by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Optional

import typer

from phasemap.sweeps.commands.options import Out
from phasemap.theory.errors import InputError

CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def command(
    context: typer.Context,
    out: Out = None,
    device: Annotated[Optional[str], typer.Option(help="cpu, or cuda:0; default: a GPU if there is one")] = None,  # noqa: UP045
    wandb: Annotated[
        str, typer.Option("--wandb", help="auto (only within an agent), online, offline or disabled")
    ] = "auto",
) -> int:
    """Trains one tile from --key value pairs or a JSON object: the program that W&B agents call.

    Example: phasemap train --depth "[4, 8]" --width 64 --lr 0.01 --steps 200 --out runs/mine
    """
    from phasemap.sweeps.execution.one_tile import train_one_tile

    return train_one_tile(_raw_parameters(context.args), out=out, device=device, wandb_mode=wandb)


def _raw_parameters(arguments: Sequence[str]) -> dict[str, Any]:
    """``--key value``, ``--key=value`` and JSON objects, in any mix, as raw parameters; dashes in keys are underscores.

    Raises:
        InputError: one line for every argument that is none of these, and for every key given twice.
    """
    raw: dict[str, Any] = {}
    mistakes: list[str] = []

    def take(key: str, value: Any) -> None:
        key = key.replace("-", "_")
        if key in raw and raw[key] != value:
            mistakes.append(f"{key}: given twice: {raw[key]!r} and {value!r}")
        raw[key] = value

    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument.lstrip().startswith("{"):
            try:
                document = json.loads(argument)
            except ValueError as error:
                mistakes.append(f"{argument[:40]!r}: not a JSON object: {error}")
                continue
            for key, value in document.items():
                take(key, value)
        elif not argument.startswith("--"):
            mistakes.append(f"{argument!r}: expected --key value, --key=value or a JSON object")
        elif "=" in argument:
            key, _, value = argument[2:].partition("=")
            take(key, value)
        elif rest and not rest[0].startswith("--"):
            take(argument[2:], rest.pop(0))
        else:
            mistakes.append(f"{argument}: has no value")
    if mistakes:
        raise InputError(*mistakes)
    return raw
