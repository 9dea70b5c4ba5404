"""A Lightning callback that probes the network while it trains: explosion rate, depth scale, activations, gradients.

    monitor = SignalPropagationMonitor(every_n_steps=50)
    Trainer(callbacks=[monitor], …).fit(module)
    monitor.history()      # training steps, layers, ln ‖gradient‖: phasemap.sweeps.figures.probe.draw_history draws it

Works on any LightningModule whose ``forward`` takes a batch of samples. The probe leaves everything as it was, random
number generators too: training with and without the monitor gives the same weights, bitwise. It ends no training: a
step at which the network cannot be probed is a note.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard
from phasemap.train.compat.lightning import pl
from phasemap.train.monitors.by_name import aligned
from phasemap.train.probe.autograd.inputs import floating_tensors, tensors_in
from phasemap.train.probe.measure import probe
from phasemap.train.probe.report import record

LOG = logging.getLogger(__name__)


class SignalPropagationMonitor(pl.Callback):
    """Probes before the first training batch and then every ``every_n_steps`` optimizer steps.

    Args:
        every_n_steps: at least 1.
        samples: a fixed batch [B, …] to probe on, B ≥ 2; None: the first floating-point tensor of the training batch,
            or the first of integers (tokens). (On the current batch the measurement also has the scatter from batch to
            batch.)
        seed: of the cotangent at the output and of dropout during the probe; the same at every step.
        prefix: of the names under which the trainer's loggers, if there are any, are given the numbers:
            ``explosion_rate``, ``explosion_rate_low``, ``…_high``, ``depth_scale``, and for each layer or block
            ``mean_square/NAME``, ``cosine/NAME``, ``log_gradient/NAME``.
        strict: whether a step that cannot be probed ends the training with an InputError.

    Attributes:
        steps: at which was probed. records: for each step what ``phasemap.train.probe.report.record`` holds.
        notes: (step, what failed) for each step that was due and is missing. Each reason is logged once as a warning.

    Raises:
        InputError: a number out of range; with ``strict``, a model or batch that cannot be probed.
    """

    def __init__(
        self,
        every_n_steps: int = 100,
        *,
        samples: Tensor | None = None,
        seed: int = 0,
        prefix: str = "propagation/",
        strict: bool = False,
    ) -> None:
        mistakes = []
        if every_n_steps < 1:
            mistakes.append(f"every_n_steps {every_n_steps}: expected at least 1")
        if samples is not None and (samples.ndim < 1 or len(samples) < 2):
            mistakes.append(f"samples of shape {tuple(samples.shape)}: expected a batch of at least 2")
        if mistakes:
            raise InputError(*mistakes)
        self.every_n_steps, self.samples, self.seed, self.prefix = every_n_steps, samples, seed, prefix
        self.strict = strict
        self.steps: list[int] = []
        self.records: list[dict[str, Any]] = []
        self.notes: list[tuple[int, str]] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Probes, if this step is due; of accumulated batches the first that can be probed."""
        step = trainer.global_step
        if step % self.every_n_steps or (self.steps and self.steps[-1] == step):
            return
        try:
            with guard("the monitor failed"):
                self._probe(trainer, pl_module, batch, step)
        except InputError as error:
            if self.strict:
                raise
            self._note(step, str(error))

    def _probe(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, step: int) -> None:
        if self.samples is None:
            tensors = floating_tensors(batch) or tensors_in(batch)
            if not tensors:
                raise InputError("the training batch holds no tensor: give the monitor samples")
            x = tensors[0]
        else:
            dtype = next((p.dtype for p in pl_module.parameters() if p.is_floating_point()), torch.float32)
            x = self.samples.to(pl_module.device)
            x = x.to(dtype) if x.is_floating_point() else x
        context = trainer.precision_plugin.forward_context
        found = record(probe(pl_module, x, seed=self.seed, mode="as-is", forward_context=context))
        self.steps.append(step)
        self.records.append(found)
        numbers = {f"{self.prefix}{name}": value for name, value in _numbers(found).items()}
        for logger in trainer.loggers:
            logger.log_metrics(numbers, step=step)

    def _note(self, step: int, what: str) -> None:
        if what not in {told for _, told in self.notes}:
            LOG.warning("step %d was not probed: %s", step, what)
        if (step, what) not in self.notes[-1:]:
            self.notes.append((step, what))

    def history(self) -> tuple[Int[np.ndarray, " steps"], list[str], Float[np.ndarray, "steps points"]]:
        """(training steps, layers and blocks from the input, ln ‖gradient‖ there: NaN where it does not exist).

        A layer that is there at some steps only has NaN at the others.
        """
        rows = [[(point["name"], point["log_gradient_norm"]) for point in found["points"]] for found in self.records]
        names, values = aligned(rows)
        return np.array(self.steps, dtype=int), names, values

    def series(self, quantity: str = "gradient_explosion_rate") -> Float[np.ndarray, "steps 3"]:
        """(value, low, high) at each step of ``gradient_explosion_rate`` or ``depth_scale``; NaN where missing."""
        rows = [found[quantity] or {} for found in self.records]
        ends = [[row.get(key) for key in ("value", "low", "high")] for row in rows]
        return np.array(ends, dtype=float).reshape(len(rows), 3)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: numbers and names only."""
        return {"steps": list(self.steps), "records": list(self.records), "notes": list(self.notes)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from ``state_dict()``; what it does not hold is empty."""
        self.steps, self.records = list(state_dict.get("steps", [])), list(state_dict.get("records", []))
        self.notes = [(step, what) for step, what in state_dict.get("notes", [])]


def _numbers(found: dict[str, Any]) -> dict[str, float]:
    """What is logged: those numbers of a record that exist."""
    rate, scale = found["gradient_explosion_rate"] or {}, found["depth_scale"] or {}
    numbers = {"explosion_rate": rate.get("value"), "depth_scale": scale.get("value")}
    numbers |= {f"explosion_rate_{end}": rate.get(end) for end in ("low", "high")}
    for point in found["points"]:
        numbers |= {f"{key}/{point['name']}": point[key] for key in ("mean_square", "cosine")}
        numbers[f"log_gradient/{point['name']}"] = point["log_gradient_norm"]
    return {name: value for name, value in numbers.items() if value is not None}
