"""The order of the data: index tables drawn from the cells' seeds, handed to Lightning in blocks of many steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.initialisation import DATA_ORDER, generator
from train.lightning import pl


def epoch_order(seed: int, epoch: int, samples: int, batch_size: int) -> Int64[NDArray[np.int64], "steps B"]:
    """The batches of one epoch of one seed, by sample number; the last partial batch is dropped."""
    steps = samples // batch_size
    return generator(seed, DATA_ORDER, epoch).permutation(samples)[: steps * batch_size].reshape(steps, batch_size)


class _Blocks(Dataset[Tensor]):
    def __init__(self, seeds: Sequence[int], samples: int, batch_size: int, steps: int, block: int) -> None:
        self.seeds, self.samples, self.batch_size, self.steps, self.block = seeds, samples, batch_size, steps, block

    def __len__(self) -> int:
        return -(-self.steps // self.block)

    def __getitem__(self, index: int) -> Int64[Tensor, "steps S B"]:
        per_epoch = self.samples // self.batch_size
        wanted = range(index * self.block, min((index + 1) * self.block, self.steps))
        epochs = {e: self._epoch(e) for e in {step // per_epoch for step in wanted}}
        return torch.from_numpy(np.stack([epochs[step // per_epoch][:, step % per_epoch] for step in wanted]))

    def _epoch(self, epoch: int) -> Int64[NDArray[np.int64], "S steps B"]:
        return np.stack([epoch_order(seed, epoch, self.samples, self.batch_size) for seed in self.seeds])


class BlocksDataModule(pl.LightningDataModule):
    """Index tables [steps in the block, seeds, batch size]; the samples themselves stay on the device.

    Lightning is handed many steps at a time, because each call of its loop costs more than a step of a small network.
    """

    def __init__(self, seeds: Sequence[int], *, samples: int, batch_size: int, steps: int, block: int) -> None:
        super().__init__()
        self.blocks = _Blocks(seeds, samples, batch_size, steps, block)

    def train_dataloader(self) -> DataLoader[Tensor]:
        """One item a block, in this process."""
        return DataLoader(self.blocks, batch_size=None)
