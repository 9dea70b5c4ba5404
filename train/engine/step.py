"""One training step of a stack: gather, forward, backward, update, all on the device.

Whatever differs from step to step is read from, and written to, tensors that stay where they are, so that the same
step can be run eagerly on any device and be recorded in a CUDA graph (train/engine/cuda_graph.py).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from phasemap.models.stack import Stack
from phasemap.train.engine.image_batches import Augmentation

Watcher = Callable[[Tensor, Tensor, Tensor], None]


class Step:
    """Trains all members of a stack by one step a call, along the block of index tables that was loaded last.

    The members' losses share no parameter, so that each member gets its own gradient from their sum. Gradients live
    within a step only.

    Args:
        stack: the networks, K members.
        samples, labels: the training set, on the stack's device.
        seed_of_member: for each member the row of the index tables (one row a seed) that orders its data.
        statistics_batch_size: samples in one BN statistic.
        optimizer: steps along the gradients.
        longest: most steps in a block; the buffers are made for as many.
        augment: makes of a step's samples those that are trained on, with random numbers that are drawn before.
        watcher: called with the logits, labels and losses of each step.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        samples: Float[Tensor, "n ..."],
        labels: Int64[Tensor, " n"],
        seed_of_member: Int64[Tensor, " K"],
        statistics_batch_size: int,
        optimizer: torch.optim.Optimizer,
        longest: int,
        augment: Augmentation | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.stack, self.samples, self.labels, self.seed_of_member = stack, samples, labels, seed_of_member
        self.statistics_batch_size, self.optimizer = statistics_batch_size, optimizer
        self.longest, self.augment, self.watcher = longest, augment, watcher
        self.tables: Int64[Tensor, "longest S B"] | None = None
        self.draws: Int64[Tensor, "longest 3 B"] | None = None
        self.position = torch.zeros(1, dtype=torch.int64, device=samples.device)
        self.losses = torch.zeros(longest, len(stack), dtype=samples.dtype, device=samples.device)

    def load(self, tables: Int64[Tensor, "steps S B"], first: int = 0) -> None:
        """Takes up a block of at most ``longest`` steps: samples by number, for each step and row of the table.

        Args:
            first: the block's first step, of the whole training.
        """
        self.tables = self._put(tables, self.tables)
        if self.augment:
            self.draws = self._put(self.augment.draws(first, len(tables), tables.shape[2]), self.draws)
        self.position.zero_()

    def _put(self, block: Tensor, where: Tensor | None) -> Tensor:
        """The buffer of a block, made for the longest: a recorded step reads where the first one did."""
        if where is None:
            where = torch.zeros(self.longest, *block.shape[1:], dtype=torch.int64, device=self.samples.device)
        where[: len(block)].copy_(block)
        return where

    def __call__(self) -> None:
        """The next step of the block."""
        assert self.tables is not None
        x, y = self._gather(self._now(self.tables))
        if self.augment:
            assert self.draws is not None
            x = self.augment(x, self._now(self.draws))
        logits = self.stack(x, statistics_batch_size=self.statistics_batch_size, update_running=True)
        losses = functional.cross_entropy(logits.transpose(1, 2), y, reduction="none").mean(1)
        losses.sum().backward()
        if self.watcher:
            self.watcher(logits, y, losses)
        self.optimizer.step()
        self.forget_gradients()
        self.losses.index_copy_(0, self.position, losses.detach().unsqueeze(0))
        self.position.add_(1)

    def _now(self, block: Tensor) -> Tensor:
        """What a block holds for this step."""
        return block.index_select(0, self.position).squeeze(0)

    def forget_gradients(self) -> None:
        """Frees the gradients' memory; the next step makes them anew."""
        self.optimizer.zero_grad(set_to_none=True)

    def done(self, steps: int) -> Float[Tensor, "steps K"]:
        """The losses of the block's first ``steps`` steps, on the CPU: waits for the device."""
        return self.losses[:steps].to("cpu", copy=True)

    def _gather(self, table: Int64[Tensor, "S B"]) -> tuple[Tensor, Tensor]:
        """Samples [K, B, …] and labels [K, B]; members of one seed share theirs."""
        members = len(self.stack)
        if len(table) == 1:
            x = self.samples.index_select(0, table[0])
            return x.expand(members, *x.shape), self.labels.index_select(0, table[0]).expand(members, -1)
        rows = table.index_select(0, self.seed_of_member)
        x = self.samples.index_select(0, rows.flatten()).view(*rows.shape, *self.samples.shape[1:])
        return x, self.labels.index_select(0, rows.flatten()).view_as(rows)
