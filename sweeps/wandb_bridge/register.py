"""``phasemap sweep``: registers an experiment as a W&B sweep."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.wandb_bridge.access import require_wandb
from phasemap.theory.errors import InputError

PROGRAM = "phasemap"
COMMAND = ("${env}", "${program}", "train", "${args_json}")
"""What an agent runs, where the YAML does not say it: the tile's parameters as one JSON object keep their types."""


def register(
    name: str, *, preset: str, settings: Sequence[str] = (), project: str | None = None, entity: str | None = None
) -> str:
    """Registers the sweep; ``ENTITY/PROJECT/SWEEP``.

    Raises:
        InputError: mistakes in the experiment, before anything is registered; or W&B cannot be reached.
    """
    experiment = load(name, preset, settings)
    experiment.tiles()
    wandb = require_wandb()
    document = {"program": PROGRAM, "command": list(COMMAND), **experiment.document}
    project = project or os.environ.get("WANDB_PROJECT") or document.get("project") or "phasemap"
    entity = entity or document.get("entity")
    with redirect_stdout(sys.stderr):  # it prints the sweep's address
        try:
            sweep = wandb.sweep(document, entity=entity, project=project)
            entity = entity or os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity
        except (wandb.Error, OSError, ValueError) as error:
            raise InputError(f"W&B: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    return f"{entity}/{project}/{sweep}"
