"""VGG19 with batch normalisation for 32 × 32 pictures: torchvision's features and a linear read-out, 512 → classes.

Ordinary convolutions gain nothing from a leading dimension of networks, so that such a stack has one member.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from phasemap.models.initial_weights import CONVOLUTION, READ_OUT, generator, normal_weights
from phasemap.models.stack import Stack
from phasemap.models.vgg_shapes import COLOURS, FEATURES, SIDE, convolutions


@dataclass(frozen=True)
class VGGCell:
    """What determines one network: initial γ and β of every BN layer, and its ε."""

    seed: int
    gamma: float = 1.0
    beta: float = 0.0
    eps: float = 1e-5


def vgg19_features() -> nn.Sequential:
    """torchvision's ``vgg19_bn(...).features``. torchvision must be importable (train/compat/torchvision_import.py)."""
    from torchvision.models.vgg import cfgs, make_layers

    features: nn.Sequential = make_layers(cfgs["E"], batch_norm=True)
    return features


class VGGStack(Stack):
    """One VGG19-BN.

    Init: convolutions N(0, 2/(9·channels out)) and zero biases as torchvision's, drawn from the seed; the read-out
    N(0, 1/512) and zero bias.
    """

    def __init__(
        self,
        cells: Sequence[VGGCell],
        *,
        classes: int,
        train_bn: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if len(cells) != 1:
            raise ValueError(f"a VGG stack has one member, not {len(cells)}")
        cell = cells[0]
        super().__init__([len(convolutions())], [cell.seed])
        self.features = vgg19_features()
        self.head = nn.Linear(FEATURES, classes)
        layer = 0
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                draw = generator(cell.seed, CONVOLUTION, layer).standard_normal(tuple(module.weight.shape))
                module.weight = nn.Parameter(torch.from_numpy(draw * np.sqrt(2 / (9 * module.out_channels))))
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
                layer += 1
            elif isinstance(module, nn.BatchNorm2d):
                module.eps = cell.eps
                nn.init.constant_(module.weight, cell.gamma)
                nn.init.constant_(module.bias, cell.beta)
                module.requires_grad_(train_bn)
        self.head.weight = nn.Parameter(torch.from_numpy(normal_weights(cell.seed, READ_OUT, 0, FEATURES, classes).T))
        nn.init.zeros_(self.head.bias)
        self.to(dtype)

    @property
    def widest(self) -> int:
        """Numbers in the largest activation of one sample."""
        return max(after * side**2 for _, after, side in convolutions())

    def hidden_weights(self) -> list[nn.Parameter]:
        """None: the layers are modules."""
        return []

    def forward(
        self, x: Float[Tensor, "1 B D"], *, statistics_batch_size: int, update_running: bool = False
    ) -> Float[Tensor, "1 B C"]:
        """Logits with the statistics of consecutive parts of ``statistics_batch_size`` samples."""
        with self._statistics(batch=True, update=update_running):
            return torch.cat([self._logits(part) for part in x.split(statistics_batch_size, dim=1)], dim=1)

    @torch.no_grad()
    def forward_running(self, x: Float[Tensor, "1 B D"]) -> Float[Tensor, "1 B C"]:
        """Logits with running statistics."""
        with self._statistics(batch=False, update=False):
            return self._logits(x)

    def _logits(self, x: Float[Tensor, "1 B D"]) -> Float[Tensor, "1 B C"]:
        return self.head(self.features(x.view(-1, COLOURS, SIDE, SIDE)).flatten(1)).unsqueeze(0)

    @contextmanager
    def _statistics(self, *, batch: bool, update: bool) -> Iterator[None]:
        """Has every BN layer use the batch's statistics (and move its running ones, or not) or the running ones."""
        layers = [module for module in self.features if isinstance(module, nn.BatchNorm2d)]
        for module in layers:
            module.training, module.track_running_stats = batch, update or not batch
        try:
            yield
        finally:
            for module in layers:
                module.training, module.track_running_stats = True, True
