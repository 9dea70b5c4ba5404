"""``phasemap sweep``: registers an experiment as a W&B sweep."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.phase_map.points import check_map
from phasemap.sweeps.wandb_bridge.access import reason_of, require_wandb
from phasemap.sweeps.wandb_bridge.agent_command import COMMAND, wrong_command
from phasemap.theory.errors import InputError

PROGRAM = "phasemap"


def register(
    name: str, *, preset: str, settings: Sequence[str] = (), project: str | None = None, entity: str | None = None
) -> str:
    """Registers the sweep; ``ENTITY/PROJECT/SWEEP``.

    Raises:
        InputError: mistakes in the experiment, cells that make no map, or a command that agents could not run, before
            anything is registered; or W&B cannot be reached.
    """
    experiment = load(name, preset, settings)
    tiles = experiment.tiles()
    document = {"name": experiment.name, "program": PROGRAM, "command": list(COMMAND), **experiment.document}
    if wrong := wrong_command(document["program"], document["command"], experiment.raw_tiles(), tiles):
        raise InputError(f"{name}: {wrong}")
    check_map(experiment, tiles)
    wandb = require_wandb()
    project = project or os.environ.get("WANDB_PROJECT") or document.get("project") or "phasemap"
    entity = entity or document.get("entity")
    with redirect_stdout(sys.stderr):  # it prints the sweep's address
        try:
            sweep = wandb.sweep(document, entity=entity, project=project)
            entity = entity or os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity
        except (wandb.Error, OSError, ValueError) as error:
            raise InputError(f"W&B: {reason_of(error)}") from None
    return f"{entity}/{project}/{sweep}"
