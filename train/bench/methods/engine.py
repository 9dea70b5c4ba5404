"""The project's engine, through its one entry point."""

from __future__ import annotations

from typing import Any

from phasemap.train.machine.memory import keep_freed
from phasemap.train.tile import train_tile


def train(parameters: dict[str, Any], device: str) -> list[list[float | None]]:
    """The losses of every step (means over parts of a longer training), cell by cell."""
    if device == "cpu":
        keep_freed()  # as every worker of a run does
    return [cell["history"]["loss"] for cell in train_tile(parameters, device=device)["content"]["cells"]]
