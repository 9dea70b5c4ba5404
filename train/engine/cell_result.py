"""What a result file says of one cell: outcome, accuracies, losses, a short history."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from phasemap.train.engine.evaluation import Evaluation
from phasemap.train.engine.optimizers import schedule_factor
from phasemap.train.result_types import CellResult, Outcome


def cell_result(
    point: Mapping[str, Any],
    losses: list[Tensor],
    evaluations: dict[str, Evaluation | None],
    member: int,
    *,
    exceeds_float32: bool,
) -> CellResult:
    """One entry of ``content.cells``.

    Args:
        point: the cell's parameters. losses: of every step, in the stretches of the history.
        evaluations: by what they are of. member: the cell's place in them.
        exceeds_float32: whether the theory's gradients leave float32's range.
    """
    loss = torch.cat(losses)
    steps = len(loss)
    bad = (~loss.isfinite()).nonzero()
    running = evaluations["test_running"]
    assert running is not None
    if len(bad):
        diverged_at: int | None = int(bad[0])
    else:  # the last update, or statistics gathered on the way, may be what is not finite
        diverged_at = None if bool(running.finite[member]) else steps
    available = [e for e in (running, evaluations["test_batch"]) if e is not None]
    dead = all(bool(e.constant[member]) for e in available)
    outcome: Outcome = "diverged" if diverged_at is not None else "dead" if dead else "finished"

    def number(key: str, what: str) -> float | None:
        evaluation = evaluations[key]
        if evaluation is None or outcome == "diverged":
            return None
        value = float(getattr(evaluation, what)[member])
        return value if math.isfinite(value) else None

    ends = torch.tensor([len(part) for part in losses]).cumsum(0).tolist()
    means = [float(part.mean()) for part in losses]
    return {
        "parameters": dict(point),
        "seed": point["seed"],
        "outcome": outcome,
        "diverged_at": diverged_at,
        "test_accuracy": number("test_running", "accuracy"),
        "test_accuracy_batch": number("test_batch", "accuracy"),
        "train_accuracy": number("train_running", "accuracy"),
        "train_accuracy_batch": number("train_batch", "accuracy"),
        "test_loss": number("test_running", "loss"),
        "train_loss": means[-1] if outcome != "diverged" else None,
        "sum_lr": point["lr"] * _sum_of_factors(point, steps),
        "steps": steps,
        "exceeds_float32": exceeds_float32,
        "history": {"step": ends, "loss": [mean if math.isfinite(mean) else None for mean in means]},
    }


def _sum_of_factors(point: Mapping[str, Any], steps: int) -> float:
    schedule = point.get("schedule", "constant")
    return (
        float(steps) if schedule == "constant" else sum(schedule_factor(schedule, step, steps) for step in range(steps))
    )
