"""Pictures for convolutional networks: every data set as 3 × 32 × 32, and crops and flips of whole batches at once."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from phasemap.models.initial_weights import AUGMENTATION, generator
from phasemap.models.vgg_shapes import COLOURS, SIDE
from phasemap.theory.errors import InputError

MARGIN = 4


def as_pictures(rows: Float[Tensor, "n D"], shape: tuple[int, ...]) -> Float[Tensor, "n 3072"]:
    """Standardised rows, of samples with ``shape`` (height, width[, channels]), as rows of 3 × 32 × 32 pictures.

    Grey ones get three equal channels. A side that divides 32 (digits: 8) is enlarged by repeating pixels; another that
    is smaller (MNIST: 28) gets a margin of zeros, the mean.

    Raises:
        InputError: samples that are no square pictures, are larger, or have other than 1 or 3 channels.
    """
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or shape[0] != shape[1] or shape[0] > SIDE or channels not in (1, COLOURS):
        raise InputError(
            f"dataset: convolutional networks take square pictures of at most 32 x 32 pixels, not samples of {shape}"
        )
    x = rows.view(len(rows), shape[0], shape[1], channels).permute(0, 3, 1, 2).expand(-1, COLOURS, -1, -1)
    if SIDE % shape[0] == 0:
        factor = SIDE // shape[0]
        x = x.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    else:
        before = (SIDE - shape[0]) // 2
        x = functional.pad(x, [before, SIDE - shape[0] - before] * 2)
    return x.reshape(len(rows), -1)


class Augmentation:
    """Random crops of pictures with a margin of 4 zeros, and a flip of every second one at random.

    What is random is drawn on the processor, for many steps at once, from the seed and the step alone: a resumed
    training sees the same pictures, and no step waits for the host.
    """

    DRAWS = 3
    """Random numbers for a picture: the crop's top row, its left column, and 1 where it is flipped."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def draws(self, first: int, steps: int, batch: int) -> Int64[Tensor, "steps 3 B"]:
        """The random numbers of ``steps`` steps from ``first`` on."""
        return torch.from_numpy(np.stack([self._of_step(step, batch) for step in range(first, first + steps)]))

    def _of_step(self, step: int, batch: int) -> Int64[np.ndarray, "3 B"]:
        random = generator(self.seed, AUGMENTATION, step)
        top, left = random.integers(0, 2 * MARGIN + 1, (2, batch))
        return np.stack([top, left, random.random(batch) < 0.5])

    def __call__(self, x: Float[Tensor, "K B D"], draws: Int64[Tensor, "3 B"]) -> Float[Tensor, "K B D"]:
        """The pictures of one step, cropped and flipped; the draws are where the pictures are."""
        members, batch, _ = x.shape
        top, left, flipped = draws.unsqueeze(2)
        along = torch.arange(SIDE, device=x.device)
        columns = torch.where(flipped > 0, SIDE - 1 - along, along) + left
        take = (along + top).unsqueeze(2) * (SIDE + 2 * MARGIN) + columns.unsqueeze(1)
        wide = functional.pad(x.view(members, batch, COLOURS, SIDE, SIDE), [MARGIN] * 4).flatten(3)
        index = take.view(1, batch, 1, SIDE * SIDE).expand(members, -1, COLOURS, -1)
        return wide.gather(3, index).reshape(members, batch, -1)
