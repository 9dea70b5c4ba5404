"""The ragged stack of residual networks with variance variation (VV) and width variation (WV).

Block l (Sec. 4 of Yang & Schoenholz 2018, "Deep Mean Field Theory: Layerwise Variance and Width Variation"):

    h = w·x_prev + b,    x = v·φ(h) + a + x_prev    (a projection block, where the width changes, has π·x_prev)

with w ~ N(0, σ_w² l^(−β_w) / N_prev), v ~ N(0, σ_v² l^(−β_v) / M), a ~ N(0, σ_a² l^(−β_a)), b ~ N(0, σ_b² l^(−β_b)) and
π ~ N(0, 1/N_prev), and each of the four variances times L^(−δ), L the network's own depth. Layer 0 embeds the inputs
linearly with N(0, 1/D).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phasemap.models.activations import TorchActivation
from phasemap.models.initial_weights import EMBEDDING, HIDDEN, PROJECTION, RESIDUAL_A, RESIDUAL_B, RESIDUAL_V
from phasemap.models.stack import Stack, leave
from phasemap.theory.residual.widths import Widths


@dataclass(frozen=True)
class ResidualCell:
    """What determines one network: ``depth`` blocks L, and the variances σ²·l^(−β)·L^(−δ) of their parameters, δ being
    ``depth_scaling_•``."""

    depth: int
    seed: int
    sigma_w: float = 1.0
    sigma_b: float = 1.0
    sigma_v: float = 1.0
    sigma_a: float = 1.0
    beta_w: float = 0.0
    beta_b: float = 0.0
    beta_v: float = 0.0
    beta_a: float = 0.0
    depth_scaling_w: float = 0.0
    depth_scaling_b: float = 0.0
    depth_scaling_v: float = 0.0
    depth_scaling_a: float = 0.0

    def deviation(self, parameter: str, layer: int) -> float:
        """Standard deviation of w, b, v or a in block ``layer`` ≥ 1, before division by the fan-in."""
        sigma, beta, delta = (getattr(self, f"{kind}_{parameter}") for kind in ("sigma", "beta", "depth_scaling"))
        return float(sigma * layer ** (-beta / 2) * self.depth ** (-delta / 2))


class ResidualStack(Stack):
    """Many residual networks of one width schedule, which must reach to the deepest member."""

    def __init__(
        self,
        cells: Sequence[ResidualCell],
        *,
        inputs: int,
        widths: Widths,
        classes: int,
        activation: TorchActivation,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__([cell.depth for cell in cells], [cell.seed for cell in cells])
        members = [cells[place] for place in self.order.tolist()]
        self.activation = activation
        self.depths = [cell.depth for cell in members]
        self.w, self.b, self.v, self.a = (nn.ParameterList() for _ in range(4))
        self.projection = nn.ParameterDict()
        self.embedding = nn.Parameter(self.draw(EMBEDDING, 0, inputs, widths.activation[0], len(members), dtype=dtype))
        for layer, count in enumerate(self.counts, start=1):
            before, after, hidden = widths.activation[layer - 1], widths.activation[layer], widths.hidden[layer - 1]
            shapes = {
                "w": (HIDDEN, before, hidden),
                "b": (RESIDUAL_B, 1, hidden),
                "v": (RESIDUAL_V, hidden, after),
                "a": (RESIDUAL_A, 1, after),
            }
            for name, (purpose, fan_in, fan_out) in shapes.items():
                scale = [cell.deviation(name, layer) for cell in members[:count]]
                weight = self.draw(purpose, layer, fan_in, fan_out, count, scale, dtype=dtype)
                getattr(self, name).append(nn.Parameter(weight))
            if before != after:
                pi = self.draw(PROJECTION, layer, before, after, count, dtype=dtype)
                self.projection[str(layer)] = nn.Parameter(pi)
        ends = {widths.activation[depth] for depth in self.depths}
        if len(ends) > 1:
            raise ValueError(f"the members' last layers have different widths {sorted(ends)}; one stack reads out one")
        self.make_read_out(ends.pop(), classes, dtype)

    def hidden_weights(self) -> list[nn.Parameter]:
        """w of every block."""
        return list(self.w)

    def forward(
        self, x: Float[Tensor, "K B D"], *, statistics_batch_size: int = 1, update_running: bool = False
    ) -> Float[Tensor, "K B C"]:
        """Logits; the networks have no batch statistics, so both arguments change nothing."""
        finished: list[Tensor] = []
        x = torch.bmm(x, self.embedding)
        for layer, count in enumerate(self.counts, start=1):
            x = leave(x, count, finished)
            h = torch.baddbmm(self.b[layer - 1], x, self.w[layer - 1])
            if self.watch:
                self.watch(layer - 1, h)
            hidden = self.activation.phi(h)
            if str(layer) in self.projection:
                x = torch.bmm(x, self.projection[str(layer)])
            x = torch.baddbmm(x + self.a[layer - 1], hidden, self.v[layer - 1])
        return self.logits(x, finished)

    @torch.no_grad()
    def forward_running(self, x: Float[Tensor, "K B D"]) -> Float[Tensor, "K B C"]:
        """The same logits, without a graph."""
        return self.forward(x)
