"""Dropout's masks: their mean and variance, that no two have anything in common, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phasemap.models.dropout import LEAST, MULTIPLIERS, STEP, Dropout, _mixed

SEEDS = st.integers(0, 2**63 - 1)


def dropout(seeds: list[int], keep: list[float], counts: list[int]) -> Dropout:
    return Dropout(seeds, keep, counts, torch.float64)


def kept(
    keep: float, *, seeds: int = 2, layers: int = 3, steps: int = 3, batch: int = 64, width: int = 128
) -> np.ndarray:
    """Where units stay, [step, layer, seed, sample, unit]."""
    made = dropout(list(range(seeds)), [keep] * seeds, [seeds] * layers)
    found = []
    for _ in range(steps):
        masks = made.masks(batch, width, advance=True)
        found.append(torch.stack([masks(layer) > 0 for layer in range(layers)]))
    return torch.stack(found).numpy()


@pytest.mark.parametrize("keep", [0.001, 0.1, 0.5, 0.8, 0.99])
def test_each_unit_stays_with_probability_keep_and_the_mean_is_kept(keep: float) -> None:
    """p/ρ has mean 1 and variance (1 − ρ)/ρ; within 4.5 standard errors, also in every slice along every axis."""
    found = kept(keep)
    for axes in [(0, 1, 2, 3, 4), *(tuple(a for a in range(5) if a != axis) for axis in range(5))]:
        share, count = found.mean(axes), found.size / np.size(found.mean(axes))
        assert np.abs(share - keep).max() < 4.5 * np.sqrt(keep * (1 - keep) / count)
    mask = dropout([0], [keep], [1]).masks(512, 512, advance=False)(0)
    assert set(mask.unique().tolist()) <= {0.0, 1 / keep}
    assert abs(mask.mean() - 1) < 4.5 * np.sqrt((1 - keep) / keep / mask.numel())
    assert mask.var().item() == pytest.approx((1 - keep) / keep, rel=5 / np.sqrt(mask.numel() * keep * (1 - keep)))


@pytest.mark.parametrize("axis", range(5), ids=["steps", "layers", "seeds", "samples", "units"])
def test_masks_have_nothing_in_common(axis: int) -> None:
    """Of any two steps, layers, seeds, samples or units the masks agree as often as independent ones do."""
    sizes = {"steps": 8, "layers": 8, "seeds": 8, "batch": 8, "width": 8}
    sizes[list(sizes)[axis]] = 64
    found = 2.0 * np.moveaxis(kept(0.5, **sizes), axis, 0).reshape(64, -1) - 1
    pairs = (found @ found.T / np.sqrt(found.shape[1]))[np.triu_indices(64, 1)]
    assert np.abs(pairs).max() < 5.2  # of 2016 pairs
    assert pairs.std() == pytest.approx(1.0, abs=0.06)


def test_neighbours_that_are_kept_say_nothing_of_the_next() -> None:
    """Runs of ten units, ten samples, ten layers and ten steps: every one of the 1024 patterns as often."""
    found = kept(0.5, seeds=2, layers=32, steps=32, batch=32, width=32)
    for axis in (0, 1, 3, 4):
        line = np.moveaxis(found, axis, -1)[..., :30].reshape(-1, 10)
        counts = np.bincount(line @ (1 << np.arange(10)), minlength=1024)
        chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
        assert abs(chi_square - 1023) < 5 * np.sqrt(2 * 1023)


@given(
    st.lists(st.integers(LEAST, -LEAST - 1), min_size=1, max_size=40),
    st.integers(LEAST, -LEAST - 1),
)
def test_integers_wrap_around_as_they_do_without_a_sign(numbers: list[int], key: int) -> None:
    mask = 2**32 - 1
    expected = []
    for number in numbers:
        x = number & mask
        x = ((x ^ x >> 16) * (MULTIPLIERS[0] & mask) + key) & mask
        expected.append((x ^ x >> 15) * (MULTIPLIERS[1] & mask) & mask)
    found = _mixed(torch.tensor(numbers, dtype=torch.int32), torch.tensor(key, dtype=torch.int32))
    assert [number & mask for number in found.tolist()] == expected


@given(SEEDS, SEEDS.filter(bool), st.integers(1, 5), st.integers(0, 3))
def test_a_mask_follows_from_seed_layer_and_step_alone(seed: int, other: int, layers: int, steps: int) -> None:
    alone = dropout([seed], [0.7], [1] * layers)
    together = dropout([other, seed, seed], [0.2, 0.7, 1.0], [3] * layers + [1])
    resumed = dropout([seed], [0.7], [1] * layers)
    for _ in range(steps):
        alone.masks(4, 5, advance=True)
        together.masks(4, 5, advance=True)
    resumed.load_state_dict(alone.state_dict())
    masks = [one.masks(4, 5, advance=True) for one in (alone, together, resumed)]
    for layer in range(layers):
        found = [mask(layer) for mask in masks]
        assert torch.equal(found[0][0], found[1][1])
        assert torch.equal(found[0], found[2])
        assert torch.equal(found[1][2], torch.ones(4, 5, dtype=torch.float64))


def test_masks_change_from_step_to_step_only_if_they_are_to() -> None:
    made = dropout([0], [0.5], [1])
    first, again, second = (made.masks(8, 8, advance=advance)(0) for advance in (False, True, False))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert made.step.item() == 1


def test_the_number_of_steps_may_wrap_around() -> None:
    made = dropout([0], [0.5], [1])
    made.step.fill_(-LEAST - 1)
    masks = [made.masks(8, 8, advance=True)(0) for _ in range(2)]
    assert not torch.equal(*masks)
    assert made.step.item() == LEAST + 1
    assert STEP % 2 == 1  # odd: as many keys as steps
