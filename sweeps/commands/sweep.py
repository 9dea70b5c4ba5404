"""``phasemap sweep``: registers an experiment as a W&B sweep."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Name, Settings


def command(
    name: Name,
    preset: Annotated[str, typer.Option(help="smoke, quick or paper (the YAML as it is)")] = "paper",
    settings: Settings = None,
    project: Annotated[Optional[str], typer.Option(help="W&B project; default: the YAML's")] = None,  # noqa: UP045
    entity: Annotated[Optional[str], typer.Option(help="W&B entity; default: yours")] = None,  # noqa: UP045
) -> None:
    """Registers the W&B sweep of an experiment; the last line is ENTITY/PROJECT/SWEEP.

    Example: phasemap sweep bn-fig3a --preset quick
    """
    from phasemap.sweeps.wandb_bridge.register import register

    print(register(name, preset=preset, settings=settings or (), project=project, entity=entity))
