"""The order of the data: a permutation an epoch, of the cell's seed alone, and the tail dropped."""

import time

import numpy as np
import torch

from phasemap.train.engine.data_order import BlocksDataModule, epoch_order


def test_an_epoch_is_a_permutation_without_its_tail() -> None:
    order = epoch_order(seed=3, epoch=0, samples=103, batch_size=10)
    assert order.shape == (10, 10)
    assert len(np.unique(order)) == 100
    assert not np.array_equal(order, epoch_order(3, 1, 103, 10))
    assert not np.array_equal(order, epoch_order(4, 0, 103, 10))


def test_blocks_join_to_the_epochs_whatever_their_length() -> None:
    def table(block: int, seeds: list[int]) -> torch.Tensor:
        module = BlocksDataModule(seeds, samples=25, batch_size=6, steps=11, longest=block)
        return torch.cat(list(module.train_dataloader()))

    whole = table(11, [0, 5])
    assert whole.shape == (11, 2, 6)
    assert torch.equal(table(3, [0, 5]), whole)
    assert torch.equal(table(4, [5])[:, 0], whole[:, 1])
    later = BlocksDataModule([0, 5], samples=25, batch_size=6, steps=11, first=5)
    assert torch.equal(torch.cat(list(later.train_dataloader())), whole[5:])
    expected = np.concatenate([epoch_order(0, epoch, 25, 6) for epoch in range(3)])[:11]
    np.testing.assert_array_equal(whole[:, 0].numpy(), expected)


def test_slow_steps_make_short_blocks() -> None:
    def lengths(*, seconds: float, per_step: float) -> list[int]:
        found = []
        for block in BlocksDataModule([0], samples=8, batch_size=4, steps=40, seconds=seconds).train_dataloader():
            found.append(len(block))
            time.sleep(per_step * len(block))
        return found

    assert set(lengths(seconds=0.01, per_step=0.02)) == {1}
    assert lengths(seconds=100.0, per_step=0.0) == [1, 2, 4, 8, 16, 9]
