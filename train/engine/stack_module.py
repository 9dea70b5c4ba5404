"""The LightningModule that trains a stack: many steps a call, a loss and an update per member, nothing shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import Parameter

from phasemap.models.stack import Stack
from phasemap.train.compat.lightning import pl
from phasemap.train.engine.cuda_graph import CudaRecorder, Repeat, why_eager
from phasemap.train.engine.data_order import LONGEST_BLOCK
from phasemap.train.engine.epoch_scores import EpochScores
from phasemap.train.engine.image_batches import Augmentation
from phasemap.train.engine.optimizers import ScheduledSGD
from phasemap.train.engine.step import Step

if TYPE_CHECKING:
    from typing_extensions import Self


class StackModule(pl.LightningModule):
    """Trains all members of a stack at once.

    Args:
        stack: the networks, K members.
        samples, labels: the training set, on the device it will be trained on.
        seed_of_member: for each member the row of the index tables (one row a seed) that orders its data.
        lr: learning rate of each member.
        make_optimizer: of the stack's parameters and the members' learning rates.
        statistics_batch_size: samples in one BN statistic.
        monitored: whether Lightning's callbacks are to see every step.
        on_block: called after each block with the number of steps done.
        augment: makes of a step's samples those that are trained on.
        scores: told of every step, for scores epoch by epoch.
        say: told in one line why steps are launched one by one on a GPU.

    Attributes:
        losses: per block, the losses [steps in the block, K], each that of the batch before its update; on the CPU.
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
        make_optimizer: Callable[[Iterable[Parameter], Float[Tensor, " K"]], torch.optim.Optimizer],
        statistics_batch_size: int,
        monitored: bool = False,
        on_block: Callable[[int], None] = lambda steps: None,
        augment: Augmentation | None = None,
        scores: EpochScores | None = None,
        say: Callable[[str], None] = lambda reason: None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.stack = stack
        self.samples, self.labels = samples, labels
        self.seed_of_member = seed_of_member
        self.lr = lr
        self.make_optimizer, self.statistics_batch_size, self.monitored = (
            make_optimizer,
            statistics_batch_size,
            monitored,
        )
        self.on_block, self.augment, self.scores, self.say = on_block, augment, scores, say
        self.losses: list[Float[Tensor, "steps K"]] = []
        self.steps_done = 0
        self.optimizer_state: dict[str, Any] | None = None
        self.repeat: Repeat | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer of the stack; after ``go_on`` with what it remembered."""
        optimizer = self.make_optimizer(self.stack.parameters(), self.lr)
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
        self.losses = [checkpoint["losses"]]
        self.steps_done = len(checkpoint["losses"])
        self.optimizer_state = checkpoint["optimizer_states"][0]
        if self.scores:
            self.scores.go_on(checkpoint["scores"])

    def training_step(self, block: Int64[Tensor, "steps S B"], block_index: int) -> None:
        """A whole block of steps; the host waits for the device once, at its end."""
        if self.repeat is None:
            self.repeat = self._prepare(longest=max(len(block), LONGEST_BLOCK))
        self.repeat.step.load(block, self.steps_done)
        for _ in range(len(block)):
            self.repeat()
            self.steps_done += 1
            if self.scores:
                self.scores.after_step(self.steps_done)
        self.losses.append(self.repeat.step.done(len(block)))
        self.on_block(self.steps_done)

    def on_train_end(self) -> None:
        """Forgets what the optimizer remembers, which Lightning would copy to the CPU."""
        cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False)).state.clear()

    def cpu(self) -> Self:
        """Nothing: Lightning would take a trained module off its device, where it is evaluated next."""
        return self

    def release(self) -> None:
        """Frees what only training needs: a CUDA graph and its memory."""
        if self.repeat:
            self.repeat.release()
        self.repeat = None

    def _prepare(self, longest: int) -> Repeat:
        # a step through Lightning's optimizer calls the callbacks, but costs as much as a small network's own
        step = Step(
            self.stack,
            samples=self.samples,
            labels=self.labels,
            seed_of_member=self.seed_of_member,
            statistics_batch_size=self.statistics_batch_size,
            optimizer=cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=self.monitored)),
            longest=longest,
            augment=self.augment,
            watcher=self.scores.add if self.scores else None,
        )
        recorder = None
        if self.samples.is_cuda:
            reason = why_eager(monitored=self.monitored, scheduled=isinstance(step.optimizer, ScheduledSGD))
            recorder = None if reason else CudaRecorder(self.samples.device)
            if reason:
                self.say(reason)
        return Repeat(step, recorder, self.say)
