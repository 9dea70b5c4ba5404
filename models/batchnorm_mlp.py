"""The ragged stack of deep BN networks: cells of different depth, γ, β, ε and seed in one module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from phasemap.models.activations import TorchActivation
from phasemap.models.batchnorm_layer import batchnorm_activation, linear_batchnorm_activation
from phasemap.models.initial_weights import HIDDEN
from phasemap.models.stack import Stack, leave


@dataclass(frozen=True)
class BNMLPCell:
    """What determines one network: ``depth`` layers of Linear, BN (initial γ, β, and ε), φ; then a linear read-out."""

    depth: int
    seed: int
    gamma: float = 1.0
    beta: float = 0.0
    eps: float = 1e-3
    sigma_w: float = 1.0


class BNMLPStack(Stack):
    """Many BN MLPs of one width.

    Init (DESIGN defaults): first layer N(0, 1/D), hidden N(0, σ_w²/N), read-out N(0, 1/N) with zero bias and no BN. No
    biases elsewhere: BN removes them.
    """

    eps: Tensor
    running_mean: Tensor
    running_variance: Tensor

    def __init__(
        self,
        cells: Sequence[BNMLPCell],
        *,
        inputs: int,
        width: int,
        classes: int,
        activation: TorchActivation,
        train_bn: bool = True,
        dtype: torch.dtype = torch.float32,
        running_momentum: float = 0.1,
    ) -> None:
        super().__init__([cell.depth for cell in cells], [cell.seed for cell in cells])
        members = [cells[place] for place in self.order.tolist()]
        self.activation = activation
        self.running_momentum = running_momentum
        self.register_buffer("eps", torch.tensor([cell.eps for cell in members], dtype=dtype))
        self.weight = nn.ParameterList()
        self.gamma = nn.ParameterList()
        self.beta = nn.ParameterList()
        gamma = torch.tensor([cell.gamma for cell in members], dtype=dtype).view(-1, 1)
        beta = torch.tensor([cell.beta for cell in members], dtype=dtype).view(-1, 1)
        sigma_w = [cell.sigma_w for cell in members]
        for layer, count in enumerate(self.counts):
            fan_in, scale = (inputs, None) if layer == 0 else (width, sigma_w)
            self.weight.append(nn.Parameter(self.draw(HIDDEN, layer, fan_in, width, count, scale, dtype=dtype)))
            self.gamma.append(nn.Parameter(gamma[:count].repeat(1, width), requires_grad=train_bn))
            self.beta.append(nn.Parameter(beta[:count].repeat(1, width), requires_grad=train_bn))
        # of all layers in one tensor, so that they move at once
        self.register_buffer("running_mean", torch.zeros(sum(self.counts), width, dtype=dtype))
        self.register_buffer("running_variance", torch.ones(sum(self.counts), width, dtype=dtype))
        self.make_read_out(width, classes, dtype)

    def hidden_weights(self) -> list[nn.Parameter]:
        """W of every layer."""
        return list(self.weight)

    def running(self, layer: int) -> tuple[Float[Tensor, "k N"], Float[Tensor, "k N"]]:
        """Running mean and variance (unbiased, as torch.nn.BatchNorm1d keeps it) of one layer's members."""
        start = sum(self.counts[:layer])
        rows = slice(start, start + self.counts[layer])
        return self.running_mean[rows], self.running_variance[rows]

    def forward(
        self, x: Float[Tensor, "K B D"], *, statistics_batch_size: int, update_running: bool = False
    ) -> Float[Tensor, "K B C"]:
        """Logits with batch statistics over consecutive parts of ``statistics_batch_size`` samples.

        With ``update_running`` the running statistics move by ``running_momentum`` towards the mean over the parts.
        """
        groups = x.shape[1] // statistics_batch_size
        finished: list[Tensor] = []
        means: list[Tensor] = []
        variances: list[Tensor] = []
        h: Tensor | None = None
        for layer, count in enumerate(self.counts):
            x = leave(x, count, finished)
            x, h, mean, variance = self._layer(layer, x, h, groups)
            if update_running:
                means.append(mean)
                variances.append(variance)
        if update_running:
            self._move_running(means, variances, statistics_batch_size)
        return self.logits(x, finished)

    def _layer(
        self, layer: int, x: Tensor, below: Tensor | None, groups: int
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """One hidden layer: φ(BN(h)), what the next layer needs of h, mean and variance. In one function unless someone
        wants to see the pre-activations h. ``below`` is what the layer below returned of its own."""
        if not self.watch:
            gamma, beta, eps = self.gamma[layer], self.beta[layer], self.eps[: x.shape[0]]
            options: dict[str, Any] = {"groups": groups, "activation": self.activation}
            x, mean, variance = linear_batchnorm_activation(x, self.weight[layer], gamma, beta, eps, **options)
            return x, None, mean, variance
        return self._normalised(layer, torch.bmm(x, self.weight[layer]), groups)

    def _normalised(self, layer: int, h: Tensor, groups: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The same from the pre-activations, shown to who watches."""
        if self.watch:
            self.watch(layer, h)
        gamma, beta, eps = self.gamma[layer], self.beta[layer], self.eps[: h.shape[0]]
        x, mean, variance = batchnorm_activation(h, gamma, beta, eps, groups=groups, activation=self.activation)
        return x, h, mean, variance

    @torch.no_grad()
    def _move_running(self, means: list[Tensor], variances: list[Tensor], size: int) -> None:
        unbias = size / (size - 1)
        self.running_mean.lerp_(_joined(means), self.running_momentum)
        self.running_variance.lerp_(_joined(variances).mul_(unbias), self.running_momentum)

    @torch.no_grad()
    def forward_running(self, x: Float[Tensor, "K B D"]) -> Float[Tensor, "K B C"]:
        """Logits with running statistics: BN is folded into one multiplication and one shift per unit."""
        finished: list[Tensor] = []
        for layer, count in enumerate(self.counts):
            x = leave(x, count, finished)
            scale, shift = self._folded(layer)
            x = self.activation.phi(torch.baddbmm(shift, x, self.weight[layer] * scale))
        return self.logits(x, finished)

    def _folded(self, layer: int) -> tuple[Float[Tensor, "k 1 N"], Float[Tensor, "k 1 N"]]:
        """BN with running statistics as h ↦ scale·h + shift."""
        mean, variance = self.running(layer)
        scale = self.gamma[layer] * torch.rsqrt(variance + self.eps[: len(mean), None])
        return scale.unsqueeze(1), (self.beta[layer] - mean * scale).unsqueeze(1)

    def depths(self) -> Int[Tensor, " K"]:
        """Depth of each member."""
        counts = torch.tensor(self.counts)
        return (counts.unsqueeze(0) > torch.arange(len(self)).unsqueeze(1)).sum(1)


def _joined(statistics: list[Float[Tensor, "_ G 1 N"]]) -> Float[Tensor, "rows N"]:
    """Means over the parts of a batch, the layers one after another."""
    together = torch.cat(statistics)
    return (together.mean(1) if together.shape[1] > 1 else together).view(len(together), -1)
