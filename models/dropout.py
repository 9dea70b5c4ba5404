"""Dropout of a stack: which units stay follows from a member's seed, the layer and the step, and from nothing else.

Each number of the mask is a hash of two keys (of the seed, the layer and the step) and its place in the batch, computed
on the device: a step waits for nobody and can be recorded in a graph, and a processor and a GPU drop the same units. A
checkpoint keeps the number of the step, with which a resumed training goes on to the same masks.

The hash has the two rounds of xorshift and multiplication of Wellons's ``lowbias32``, and a key before each of them.
Integers of 32 bits wrap around, so that additions and products are those modulo 2³².
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn

from phasemap.models.initial_weights import DROPOUT, generator

MULTIPLIERS = (0x7FEB352D, 0x846CA68B - 2**32)
STEP = 0x9E3779B9 - 2**32
"""The golden ratio's bits: by which the keys of two steps differ."""
LEAST = -(2**31)


class Dropout(nn.Module):
    """The masks of every hidden layer of a stack; torch's default device is where they are made.

    Args:
        seeds, keep: of each member, deepest first; keep is the probability ρ with which a unit stays.
        counts: number of members that have layer 1, 2, …

    Attributes:
        step: number of steps that were taken.
        keys: two for each member of layer 1, then of layer 2, …, [2, rows].
        last: of each member, the largest hash of a unit that stays. scale: 1/ρ.
    """

    step: Tensor
    keys: Tensor
    last: Tensor
    scale: Tensor

    def __init__(self, seeds: Sequence[int], keep: Sequence[float], counts: Sequence[int], dtype: torch.dtype) -> None:
        super().__init__()
        self.starts = np.cumsum([0, *counts]).tolist()
        self.register_buffer("step", torch.zeros(1, dtype=torch.int32))
        drawn = [_keys(seed, layer) for layer, count in enumerate(counts) for seed in seeds[:count]]
        self.register_buffer("keys", torch.tensor(drawn, dtype=torch.int32).T.contiguous(), persistent=False)
        last = [round(one * 2**32) - 1 + LEAST for one in keep]
        self.register_buffer("last", torch.tensor(last, dtype=torch.int32).view(-1, 1, 1), persistent=False)
        scale = torch.tensor([1 / one for one in keep], dtype=dtype).view(-1, 1, 1)
        self.register_buffer("scale", scale, persistent=False)

    def masks(self, batch: int, width: int, *, advance: bool) -> Masks:
        """Those of this step; with ``advance`` the next call is of the next step."""
        first, second = _mixed(self.keys + self.step * STEP, self.step)
        if advance:
            self.step.add_(1)
        place = torch.arange(batch * width, dtype=torch.int32, device=self.keys.device).view(batch, width)
        return Masks(self, first, second, place)


class Masks:
    """The masks of one step."""

    def __init__(self, of: Dropout, first: Tensor, second: Tensor, place: Int32[Tensor, "B N"]) -> None:
        self.of, self.first, self.second, self.place = of, first, second, place

    def __call__(self, layer: int) -> Float[Tensor, "k B N"]:
        """1/ρ where a unit stays and 0 where it is dropped, of the members that have the layer (from 0)."""
        rows = slice(self.of.starts[layer], self.of.starts[layer + 1])
        first, second = self.first[rows].view(-1, 1, 1), self.second[rows].view(-1, 1, 1)
        number = _mixed(self.place ^ first, second)
        members = len(number)
        return (number <= self.of.last[:members]) * self.of.scale[:members]


def _mixed(number: Int32[Tensor, "*n"], key: Tensor) -> Int32[Tensor, "*n"]:
    """A hash of each number, which is overwritten, and the key."""
    number = _shifted(number, 16).mul_(MULTIPLIERS[0]).add_(key)
    return _shifted(number, 15).mul_(MULTIPLIERS[1])


def _shifted(number: Int32[Tensor, "*n"], bits: int) -> Int32[Tensor, "*n"]:
    """number ^ (number >> bits), with zeros shifted in."""
    return number.bitwise_xor_((number >> bits).bitwise_and_((1 << (32 - bits)) - 1))


def _keys(seed: int, layer: int) -> list[int]:
    """Two, of 32 bits with a sign."""
    return generator(seed, DROPOUT, layer).integers(LEAST, -LEAST, 2).tolist()  # type: ignore[no-any-return]
