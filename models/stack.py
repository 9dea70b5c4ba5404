"""What every ragged stack shares: members sorted deepest first, and how finished members leave for the read-out.

Layer l holds weights only for the members that still need it; a member whose last layer is done leaves. No padding, no
masking: a layer is one batched matrix product of just its members.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from phasemap.models.initial_weights import READ_OUT, normal_weights


class Stack(nn.Module, ABC):
    """Networks of one family and width with a leading cell dimension, read out by N(0, 1/N) weights and zero bias.

    Shapes everywhere: K members (k of them in a layer), B samples, N units, D inputs, C classes.

    Attributes:
        order: ``order[k]`` is the place of member k in the cells given; deepest first, ties by place.
        counts: number of members that have layer 1, 2, …
        watch: called in training with the number (from 0) and the pre-activations [k, B, N] of each hidden layer.
    """

    order: Tensor

    def __init__(self, depths: Sequence[int], seeds: Sequence[int]) -> None:
        super().__init__()
        self.watch: Callable[[int, Tensor], None] | None = None
        order = sorted(range(len(depths)), key=lambda place: -depths[place])
        self.register_buffer("order", torch.tensor(order, device="cpu"))  # it is read where a stack is made
        self.seeds = [seeds[place] for place in order]
        self.counts = [sum(depth >= layer for depth in depths) for layer in range(1, max(depths) + 1)]

    def __len__(self) -> int:
        return len(self.order)

    @property
    def widest(self) -> int:
        """Numbers in the largest activation of one sample."""
        return self.read_out.shape[1]

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "K B D"], *, statistics_batch_size: int, update_running: bool = False
    ) -> Float[Tensor, "K B C"]:
        """Logits as in training."""

    @abstractmethod
    def forward_running(self, x: Float[Tensor, "K B D"]) -> Float[Tensor, "K B C"]:
        """Logits as in use after training."""

    @abstractmethod
    def hidden_weights(self) -> list[nn.Parameter]:
        """The weights [k, fan_in, fan_out] of the layers that ``watch`` sees; none if the stack is made of modules."""

    def draw(
        self,
        purpose: int,
        layer: int,
        fan_in: int,
        fan_out: int,
        members: int,
        scale: Sequence[float] | None = None,
        *,
        dtype: torch.dtype,
        drawn: Callable[[int, int, int, int, int], Float[np.ndarray, "fan_in fan_out"]] = normal_weights,
    ) -> Float[Tensor, "k fan_in fan_out"]:
        """Weights of variance scale²/fan_in of the first ``members``, each from its own seed, in float64 first; on
        torch's default device. ``drawn`` gives those of scale 1; Gaussian if not given."""
        wanted = list(zip(self.seeds[:members], [1.0] * members if scale is None else scale[:members], strict=True))
        by_seed = {seed: drawn(seed, purpose, layer, fan_in, fan_out) for seed in dict.fromkeys(self.seeds[:members])}
        # rounded, and brought to the device, before they are repeated for every member: a stack is mostly repetition
        device = torch.empty(0).device  # torch.get_default_device() knows of no `with torch.device(…)` before torch 2.8
        rounded = {
            (seed, s): torch.from_numpy(by_seed[seed] * s).to(dtype).to(device) for seed, s in dict.fromkeys(wanted)
        }
        return torch.stack([rounded[seed, s] for seed, s in wanted])

    def make_read_out(self, width: int, classes: int, dtype: torch.dtype) -> None:
        """Creates ``read_out`` [K, N, C] and ``bias`` [K, 1, C]."""
        self.read_out = nn.Parameter(self.draw(READ_OUT, 0, width, classes, len(self), dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(len(self), 1, classes, dtype=dtype))

    def logits(self, x: Float[Tensor, "k B N"], finished: list[Tensor]) -> Float[Tensor, "K B C"]:
        """The read-out of all members: the deepest, who stayed to the end, stand first."""
        return torch.baddbmm(self.bias, torch.cat([x, *reversed(finished)]) if finished else x, self.read_out)


def leave(x: Float[Tensor, "k B N"], members: int, finished: list[Tensor]) -> Float[Tensor, "j B N"]:
    """Keeps the first ``members`` and moves the others, whose last layer this was, to ``finished``."""
    if members == x.shape[0]:
        return x
    x, done = x.split([members, x.shape[0] - members])
    finished.append(done)
    return x
