"""The ragged stack of ordinary deep networks, without batch normalisation.

Layer l (Schoenholz et al. 2017, "Deep Information Propagation"):

    z = W·y_prev + b,    y = p/ρ·φ(z)  or  p/ρ·φ(LN(z))

with W ~ N(0, σ_w²/fan_in), or orthogonal with that second moment, and b ~ N(0, σ_b²). LN is layer normalisation without
parameters: (z − mean)/sqrt(var + ε) over the units of one sample. p is 1 with probability ρ, for each unit, sample and
step, and else 0; after training y = φ(z). The inputs are not dropped, what the read-out reads is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phasemap.models.activations import TorchActivation
from phasemap.models.dropout import Dropout, Masks
from phasemap.models.initial_weights import BIAS, HIDDEN, normal_weights, orthogonal_weights
from phasemap.models.stack import Stack, leave


@dataclass(frozen=True)
class MLPCell:
    """What determines one network: ``depth`` hidden layers, the scales of weights and biases, and ρ, ``keep``."""

    depth: int
    seed: int
    sigma_w: float = 1.0
    sigma_b: float = 0.0
    keep: float = 1.0


class MLPStack(Stack):
    """Many networks of one width.

    Args:
        eps: ε of layer normalisation before φ; None for none.
        orthogonal: whether the hidden weights are orthogonal, not Gaussian.
        train_bias: whether the hidden biases are trained.
    """

    def __init__(
        self,
        cells: Sequence[MLPCell],
        *,
        inputs: int,
        width: int,
        classes: int,
        activation: TorchActivation,
        eps: float | None = None,
        orthogonal: bool = False,
        train_bias: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__([cell.depth for cell in cells], [cell.seed for cell in cells])
        members = [cells[place] for place in self.order.tolist()]
        self.activation, self.eps = activation, eps
        self.weight, self.hidden_bias = nn.ParameterList(), nn.ParameterList()
        sigma_w, sigma_b = [cell.sigma_w for cell in members], [cell.sigma_b for cell in members]
        drawn = orthogonal_weights if orthogonal else normal_weights
        for layer, count in enumerate(self.counts):
            fan_in = width if layer else inputs
            weight = self.draw(HIDDEN, layer, fan_in, width, count, sigma_w, dtype=dtype, drawn=drawn)
            bias = self.draw(BIAS, layer, 1, width, count, sigma_b, dtype=dtype)
            self.weight.append(nn.Parameter(weight))
            self.hidden_bias.append(nn.Parameter(bias, requires_grad=train_bias))
        keep = [cell.keep for cell in members]
        self.dropout = Dropout(self.seeds, keep, self.counts, dtype) if min(keep) < 1 else None
        self.make_read_out(width, classes, dtype)

    def hidden_weights(self) -> list[nn.Parameter]:
        """W of every layer."""
        return list(self.weight)

    def forward(
        self, x: Float[Tensor, "K B D"], *, statistics_batch_size: int = 1, update_running: bool = False
    ) -> Float[Tensor, "K B C"]:
        """Logits with dropout; there are no batch statistics. With ``update_running`` the next masks are others."""
        if self.dropout is None:
            return self._logits(x, None)
        return self._logits(x, self.dropout.masks(x.shape[1], self.widest, advance=update_running))

    @torch.no_grad()
    def forward_running(self, x: Float[Tensor, "K B D"]) -> Float[Tensor, "K B C"]:
        """Logits without dropout."""
        return self._logits(x, None)

    def _logits(self, x: Float[Tensor, "K B D"], masks: Masks | None) -> Float[Tensor, "K B C"]:
        finished: list[Tensor] = []
        for layer, count in enumerate(self.counts):
            z = torch.baddbmm(self.hidden_bias[layer], leave(x, count, finished), self.weight[layer])
            if self.watch:
                self.watch(layer, z)
            if self.eps is not None:
                z = functional.layer_norm(z, z.shape[2:], eps=self.eps)
            x = self.activation.phi(z)
            if masks:
                x = x * masks(layer)
        return self.logits(x, finished)
