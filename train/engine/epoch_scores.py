"""How one network does epoch by epoch: on the pictures it was trained on, as it was, and on the test set."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from phasemap.train.engine.evaluation import Evaluation

KEYS = ("epoch", "train_accuracy", "train_loss", "test_accuracy", "test_loss")


class EpochScores:
    """Training accuracy and loss over the epoch's own batches (augmented, batch statistics, each before its update),
    test accuracy and loss with running statistics at the epoch's end. A last, shorter epoch counts too.

    Args:
        per_epoch, steps: steps in an epoch, and in the training.
        test: evaluates the network as it is.
    """

    def __init__(self, per_epoch: int, steps: int, test: Callable[[], Evaluation]) -> None:
        self.per_epoch, self.steps, self.test = per_epoch, steps, test
        self.scores: list[dict[str, float | None]] = []
        self._start_epoch()

    def _start_epoch(self, correct: float = 0.0, loss: float = 0.0, seen: int = 0) -> None:
        # sums stay on the device until they are read: a step does not wait for the host
        self.correct: Tensor | float = correct
        self.loss: Tensor | float = loss
        self.seen = seen

    @torch.no_grad()
    def add(self, logits: Float[Tensor, "1 B C"], labels: Int64[Tensor, "1 B"], loss: Float[Tensor, " 1"]) -> None:
        """Counts one batch."""
        self.correct = (logits.argmax(2) == labels).double().mean() + self.correct
        self.loss = loss.double().sum() + self.loss
        self.seen += 1

    def after_step(self, done: int) -> None:
        """To be called when ``done`` steps are done; writes a line of scores at the end of an epoch."""
        if done % self.per_epoch and done != self.steps:
            return
        found = self.test()
        values = (
            done / self.per_epoch,
            float(self.correct) / self.seen,
            float(self.loss) / self.seen,
            float(found.accuracy[0]) if bool(found.finite[0]) else math.nan,
            float(found.loss[0]),
        )
        self.scores.append({k: v if math.isfinite(v) else None for k, v in zip(KEYS, values, strict=True)})
        self._start_epoch()

    def series(self) -> dict[str, list[float | None]]:
        """The scores as a result file holds them: a list over the epochs for each of ``KEYS``."""
        return {key: [line[key] for line in self.scores] for key in KEYS}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        sums = {"correct": float(self.correct), "loss": float(self.loss), "seen": self.seen}
        return {"scores": json.dumps(self.scores), **sums}

    def go_on(self, state: dict[str, Any]) -> None:
        """Goes on from ``state()``."""
        self.scores = json.loads(state["scores"])
        self._start_epoch(state["correct"], state["loss"], state["seen"])
