"""``phasemap sweep``: registers an experiment as a W&B sweep."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from sweeps.experiment import load
from theory.errors import InputError

PROGRAM = "phasemap"
COMMAND = ("${env}", "${program}", "train", "${args_json}")
"""What an agent runs, where the YAML does not say it: the tile's parameters as one JSON object keep their types."""


def require_wandb() -> Any:
    """The package wandb. Raises InputError if it is not installed or no key is known."""
    if importlib.util.find_spec("wandb") is None:
        raise InputError("the package wandb is not installed here: pip install wandb")
    import wandb

    return wandb


def parse_path(text: str) -> tuple[str, str, str]:
    """(entity, project, sweep) of ``ENTITY/PROJECT/SWEEP``, with or without ``wandb:``. Raises InputError."""
    parts = text.removeprefix("wandb:").split("/")
    if len(parts) != 3 or not all(parts):
        raise InputError(f"{text}: expected ENTITY/PROJECT/SWEEP")
    return parts[0], parts[1], parts[2]


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
