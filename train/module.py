"""The LightningModule that trains a stack: many steps a call, a loss and an update per member, nothing shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from models.stack import Stack
from train.epochs import EpochScores
from train.lightning import pl
from train.optimizers import make_optimizer


class StackModule(pl.LightningModule):
    """Trains all members of a stack at once.

    Args:
        stack: the networks, K members.
        samples, labels: the training set, on the device it will be trained on.
        seed_of_member: for each member the row of the index tables (one row a seed) that orders its data.
        lr: learning rate of each member.
        settings: normalised parameters of the tile.
        steps: of the whole training.
        on_block: called after each block with the number of steps done.
        augment: makes of a step's samples [K, B, D], and its number, those that are trained on.
        scores: told of every step, for scores epoch by epoch.

    Attributes:
        losses: per block, the losses [steps in the block, K]; a loss is that of the batch before its update.
        steps_done: steps trained, in this process or before.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        samples: Float[Tensor, "n D"],
        labels: Int64[Tensor, " n"],
        seed_of_member: Int64[Tensor, " K"],
        lr: Float[Tensor, " K"],
        settings: dict[str, Any],
        steps: int = 0,
        on_block: Callable[[int], None] = lambda steps: None,
        augment: Callable[[Tensor, int], Tensor] | None = None,
        scores: EpochScores | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.stack = stack
        self.samples, self.labels = samples, labels
        self.seed_of_member = seed_of_member
        self.lr = lr
        self.settings, self.steps = settings, steps
        self.on_block, self.augment, self.scores = on_block, augment, scores
        self.losses: list[Float[Tensor, "steps K"]] = []
        self.steps_done = 0
        self.optimizer_state: dict[str, Any] | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The member-wise optimizer of the settings; after ``go_on`` with what it remembered."""
        optimizer = make_optimizer(self.stack.parameters(), self.lr, self.settings, self.steps)
        if self.optimizer_state is not None:
            optimizer.load_state_dict(self.optimizer_state)
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what is no weight: losses and scores so far."""
        checkpoint["losses"] = torch.cat(self.losses)
        checkpoint["scores"] = self.scores.state() if self.scores else None

    def go_on(self, checkpoint: dict[str, Any]) -> None:
        """Takes up a training where Lightning's ``checkpoint`` left it; to be called before ``fit``."""
        self.load_state_dict(checkpoint["state_dict"])
        self.losses = [checkpoint["losses"].to(self.lr)]
        self.steps_done = len(checkpoint["losses"])
        self.optimizer_state = checkpoint["optimizer_states"][0]
        if self.scores:
            self.scores.go_on(checkpoint["scores"])

    def training_step(self, block: Int64[Tensor, "steps S B"], block_index: int) -> None:
        """A whole block of steps."""
        # a step through Lightning's optimizer calls the callbacks, but costs as much as a small network's own
        monitored = self.settings["monitor"] is not None
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=monitored))
        losses = []
        for table in block:
            losses.append(self._step(table, optimizer))
            self.steps_done += 1
            if self.scores:
                self.scores.after_step(self.steps_done)
        self.losses.append(torch.stack(losses))
        self.on_block(self.steps_done)

    def _step(self, table: Int64[Tensor, "S B"], optimizer: torch.optim.Optimizer) -> Float[Tensor, " K"]:
        x, y = self.samples[table], self.labels[table]
        if len(table) == 1:
            x, y = x.expand(len(self.stack), -1, -1), y.expand(len(self.stack), -1)
        else:
            x, y = x[self.seed_of_member], y[self.seed_of_member]
        if self.augment:
            x = self.augment(x, self.steps_done)
        size = self.settings["statistics_batch_size"]
        logits = self.stack(x, statistics_batch_size=size, update_running=True)
        loss = functional.cross_entropy(logits.transpose(1, 2), y, reduction="none").mean(1)
        optimizer.zero_grad()
        loss.sum().backward()  # the members' losses share no parameter, so each gets its own gradient
        if self.scores:
            self.scores.add(logits, y, loss)
        optimizer.step()
        return loss.detach()
