"""How a source is named: an output folder, or ``wandb:ENTITY/PROJECT/SWEEP``; and the folder that is its home."""

from __future__ import annotations

from pathlib import Path

WANDB = "wandb:"


def is_sweep(source: str) -> bool:
    """Whether the source is a W&B sweep rather than a folder."""
    return source.startswith(WANDB)


def home(source: str) -> Path:
    """Where what is made of a source goes by default: the folder itself, or ``runs/SWEEP``."""
    return Path("runs") / source.rpartition("/")[2] if is_sweep(source) else Path(source)
