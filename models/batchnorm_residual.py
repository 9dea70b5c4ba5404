"""The ragged stack of deep BN networks with skip connections: pre-activation residual networks (He et al. 2016).

    h^1 = x·W^1,    h^(l+1) = h^l + φ(BN(h^l))·W^(l+1),    logits = φ(BN(h^L))·V + b

The weights, BN and initial values are those of ``models.batchnorm_mlp``, layer by layer: a network differs from the one
without skip connections in the sums only.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phasemap.models.batchnorm_mlp import BNMLPStack
from phasemap.models.stack import leave


class BNResidualStack(BNMLPStack):
    """Many BN residual networks of one width; ``watch`` sees the sums h."""

    def _layer(
        self, layer: int, x: Tensor, below: Tensor | None, groups: int
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        return self._normalised(layer, self._sum(layer, x, below), groups)

    def _sum(self, layer: int, x: Float[Tensor, "k B M"], below: Float[Tensor, "j B N"] | None) -> Tensor:
        """h of one layer, from φ(BN(h)) and h of the layer below, of which members that have left are dropped."""
        if below is None:
            return torch.bmm(x, self.weight[layer])
        kept = below if len(below) == len(x) else below[: len(x)]  # a slice of all would cost in the backward pass
        return torch.baddbmm(kept, x, self.weight[layer])

    @torch.no_grad()
    def forward_running(self, x: Float[Tensor, "K B D"]) -> Float[Tensor, "K B C"]:
        """Logits with running statistics."""
        finished: list[Tensor] = []
        h: Tensor | None = None
        for layer, count in enumerate(self.counts):
            x = leave(x, count, finished)
            h = self._sum(layer, x, h)
            scale, shift = self._folded(layer)
            x = self.activation.phi(torch.addcmul(shift, h, scale))
        return self.logits(x, finished)
