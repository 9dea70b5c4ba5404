"""The package wandb and the names of its sweeps."""

from __future__ import annotations

import importlib.util
from typing import Any

from phasemap.theory.errors import InputError


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


LONGEST_REASON = 300


def reason_of(error: BaseException) -> str:
    """The first line of what an exception of the client says, or its name."""
    lines = str(error).splitlines()
    return lines[0][:LONGEST_REASON] if lines and lines[0] else type(error).__name__
