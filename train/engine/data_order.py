"""The order of the data: index tables drawn from the cells' seeds, handed to Lightning in blocks of many steps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from phasemap.models.initial_weights import DATA_ORDER, generator
from phasemap.train.compat.lightning import pl

LONGEST_BLOCK, BLOCK_SECONDS = 250, 1.0


def epoch_order(seed: int, epoch: int, samples: int, batch_size: int) -> Int64[np.ndarray, "steps B"]:
    """The batches of one epoch of one seed, by sample number; the last partial batch is dropped."""
    steps = samples // batch_size
    return generator(seed, DATA_ORDER, epoch).permutation(samples)[: steps * batch_size].reshape(steps, batch_size)


class _Blocks(IterableDataset[Tensor]):
    def __init__(
        self, seeds: Sequence[int], samples: int, batch_size: int, steps: range, longest: int, seconds: float
    ) -> None:
        self.seeds, self.samples, self.batch_size = seeds, samples, batch_size
        self.steps, self.longest, self.seconds = steps, longest, seconds
        self.epochs: dict[int, Int64[np.ndarray, "S steps B"]] = {}

    def __iter__(self) -> Iterator[Tensor]:
        step, length = self.steps.start, 1
        while step < self.steps.stop:
            wanted = range(step, min(step + length, self.steps.stop))
            started = time.monotonic()
            yield self.tables(wanted)
            step = wanted.stop
            took = max(time.monotonic() - started, 1e-9)
            length = max(1, min(2 * length, int(length * self.seconds / took), self.longest))

    def tables(self, wanted: range) -> Int64[Tensor, "steps S B"]:
        per_epoch = self.samples // self.batch_size
        needed = {step // per_epoch for step in wanted}
        self.epochs = {epoch: self.epochs[epoch] if epoch in self.epochs else self._epoch(epoch) for epoch in needed}
        return torch.from_numpy(np.stack([self.epochs[step // per_epoch][:, step % per_epoch] for step in wanted]))

    def _epoch(self, epoch: int) -> Int64[np.ndarray, "S steps B"]:
        return np.stack([epoch_order(seed, epoch, self.samples, self.batch_size) for seed in self.seeds])


class BlocksDataModule(pl.LightningDataModule):
    """Index tables [steps in the block, seeds, batch size]; the samples themselves stay on the device.

    Lightning is handed many steps at a time, because each call of its loop costs more than a step of a small network;
    and not more than about ``seconds`` take, because training can be stopped and saved between two blocks only. How the
    steps are divided into blocks changes no result.

    Args:
        steps: to train; those before ``first`` were trained earlier.
        longest: most steps in a block.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        *,
        samples: int,
        batch_size: int,
        steps: int,
        first: int = 0,
        longest: int = LONGEST_BLOCK,
        seconds: float = BLOCK_SECONDS,
    ) -> None:
        super().__init__()
        self.blocks = _Blocks(seeds, samples, batch_size, range(first, steps), longest, seconds)

    def train_dataloader(self) -> DataLoader[Tensor]:
        """One item a block, in this process."""
        return DataLoader(self.blocks, batch_size=None)
