"""A Lightning callback that records every layer's magnitudes at chosen steps, of any LightningModule.

monitor = LayerMonitor(lambda step: step < 10)
Trainer(callbacks=[monitor], …).fit(module)
monitor.steps, monitor.records      # one list of LayerMagnitudes for each recorded step
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from phasemap.train.compat.lightning import pl
from phasemap.train.monitors.layer_magnitudes import LayerMagnitudes, LayerWatch

QUANTITIES = ("weight", "weight_gradient", "output_gradient")
DIGITS = 9  # of a recorded logarithm: far below the noise of any step, and a third of the file


class LayerMonitor(pl.Callback):
    """Records between backward pass and update; the gradients are those of the loss, without weight decay.

    With manual optimization the module must step through Lightning's optimizer (``self.optimizers()``).

    Args:
        wanted: whether to record at a step, counted from 0.
        first_step: the step at which this training starts (where an earlier one was resumed).
    """

    def __init__(self, wanted: Callable[[int], bool] = lambda step: True, *, first_step: int = 0) -> None:
        self.wanted, self.first_step = wanted, first_step
        self.steps: list[int] = []
        self.records: list[list[LayerMagnitudes]] = []
        self.watch: LayerWatch | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hangs the hooks."""
        self.watch = LayerWatch(pl_module, lambda: self.wanted(self.first_step + trainer.global_step))

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Records, if this step is wanted."""
        step = self.first_step + trainer.global_step
        if self.watch and self.wanted(step):
            self.steps.append(step)
            self.records.append(self.watch.collect())

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes the hooks away."""
        if self.watch:
            self.watch.detach()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Takes the hooks away from a module whose training was interrupted: its owner may go on with it."""
        self.on_fit_end(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: numbers and names only."""
        return {
            "steps": list(self.steps),
            "records": [[{"name": r.name, **{q: getattr(r, q) for q in QUANTITIES}} for r in s] for s in self.records],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from ``state_dict()``."""
        self.steps = list(state_dict["steps"])
        self.records = [[LayerMagnitudes(**record) for record in step] for step in state_dict["records"]]

    def go_on(self, state_dict: dict[str, Any], first_step: int) -> None:
        """Goes on from ``state_dict`` in a training that starts at ``first_step``."""
        self.load_state_dict(state_dict)
        self.first_step = first_step

    def series(self, member: int = 0, *, prefix: str = "") -> dict[str, Any]:
        """The records of one network of a stack, as a result file holds them; layers are named without ``prefix``.

        Returns:
            ``step``; ``layer``, the names of the layers that this network has; and for each quantity ``log_…`` a list
            over the steps of lists over the layers: ln of the norm, null where it is zero or not finite.
        """
        mine = [[r for r in record if member < len(r.weight)] for record in self.records]
        return {
            "step": list(self.steps),
            "layer": [r.name.removeprefix(prefix) for r in mine[0]] if mine else [],
            **{f"log_{q}": [[_number(getattr(r, q)[member]) for r in record] for record in mine] for q in QUANTITIES},
        }


def _number(value: Tensor) -> float | None:
    number = float(value)
    return float(f"{number:.{DIGITS}g}") if math.isfinite(number) else None
