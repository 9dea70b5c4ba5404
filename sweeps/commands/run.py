"""``phasemap run``: from an experiment's name to its report."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Devices, Name, Out, Settings


def command(
    name: Name,
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="smoke, quick or paper (the YAML as it is); default: quick, or paper of a YAML without it"),
    ] = None,
    out: Out = None,
    workers: Annotated[Optional[int], typer.Option(help="worker processes; default: one per core or GPU")] = None,  # noqa: UP045
    devices: Devices = None,
    settings: Settings = None,
    executor: Annotated[str, typer.Option(help="who trains: local (worker processes), or FILE.py:NAME")] = "local",
    check: Annotated[bool, typer.Option("--check", help="only say cells, tiles and cost, and every mistake")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="end when all that is left is held by other runs on this folder")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
) -> int:
    """Trains an experiment on this machine and draws its report; goes on where an earlier run was stopped.

    Example: phasemap run bn-fig3a --preset quick --set dataset=mnist
    """
    from phasemap.train.machine.processes import check_limits

    check_limits()
    from phasemap.sweeps.execution.run import run_experiment

    return run_experiment(
        name,
        preset=preset,
        out=out,
        workers=workers,
        device_list=devices,
        settings=settings or (),
        executor=executor,
        check=check,
        wait=not no_wait,
        quiet=quiet,
    )
