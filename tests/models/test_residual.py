"""The residual stack against one plain network per cell, block by block after the paper's equations."""

import pytest
import torch
from torch import Tensor

from phasemap.models.activations import torch_activation
from phasemap.models.initial_weights import (
    EMBEDDING,
    HIDDEN,
    PROJECTION,
    READ_OUT,
    RESIDUAL_A,
    RESIDUAL_B,
    RESIDUAL_V,
    normal_weights,
)
from phasemap.models.residual import ResidualCell, ResidualStack
from phasemap.theory.residual.widths import Widths, parse_widths

CELLS = [
    ResidualCell(depth=2, seed=1, beta_w=0.5, sigma_v=0.7),
    ResidualCell(depth=4, seed=0, beta_v=1.0, beta_a=0.3, sigma_b=0.2),
    ResidualCell(depth=4, seed=1, beta_b=2.0, sigma_w=1.4),
]
INPUTS, CLASSES = 5, 3


def tensor(seed: int, purpose: int, layer: int, fan_in: int, fan_out: int) -> Tensor:
    return torch.from_numpy(normal_weights(seed, purpose, layer, fan_in, fan_out))


def plain_logits(cell: ResidualCell, widths: Widths, x: Tensor) -> Tensor:
    n, m = widths.activation, widths.hidden
    x = x @ tensor(cell.seed, EMBEDDING, 0, INPUTS, n[0])
    for layer in range(1, cell.depth + 1):
        before, after, hidden = n[layer - 1], n[layer], m[layer - 1]
        w = tensor(cell.seed, HIDDEN, layer, before, hidden) * cell.sigma_w * (layer**-cell.beta_w) ** 0.5
        b = tensor(cell.seed, RESIDUAL_B, layer, 1, hidden) * cell.sigma_b * (layer**-cell.beta_b) ** 0.5
        v = tensor(cell.seed, RESIDUAL_V, layer, hidden, after) * cell.sigma_v * (layer**-cell.beta_v) ** 0.5
        a = tensor(cell.seed, RESIDUAL_A, layer, 1, after) * cell.sigma_a * (layer**-cell.beta_a) ** 0.5
        skip = x if before == after else x @ tensor(cell.seed, PROJECTION, layer, before, after)
        x = torch.tanh(x @ w + b) @ v + a + skip
    return x @ tensor(cell.seed, READ_OUT, 0, n[cell.depth], CLASSES)


@pytest.mark.parametrize("text", ["6", "8/2@1;5", "6;4"])
def test_logits_are_those_of_plain_networks(text: str) -> None:
    widths = parse_widths(text, 4)
    stack = ResidualStack(
        CELLS, inputs=INPUTS, widths=widths, classes=CLASSES, activation=torch_activation("tanh"), dtype=torch.float64
    )
    x = torch.randn(7, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    logits = stack(x.expand(len(CELLS), -1, -1))
    for member, place in enumerate(stack.order.tolist()):
        torch.testing.assert_close(logits[member], plain_logits(CELLS[place], widths, x), rtol=1e-12, atol=1e-13)


def test_variances_decay_with_the_layer_not_deviations() -> None:
    """Var(w) = σ²·l^(−β)/N: at β = 2 and layer 4, 1/16 of layer 1."""
    cell = ResidualCell(depth=4, seed=3, beta_w=2.0, sigma_w=3.0)
    stack = ResidualStack(
        [cell], inputs=4, widths=parse_widths("300", 4), classes=2, activation=torch_activation("relu")
    )
    for layer in (1, 4):
        variance = 9 * layer**-2.0 / 300
        spread = 5 * (2 / 300**2) ** 0.5  # 5 standard errors of a sample variance
        assert stack.w[layer - 1].var().item() == pytest.approx(variance, rel=spread)


def test_members_that_end_at_different_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="different widths"):
        ResidualStack(CELLS, inputs=4, widths=parse_widths("8/2@3", 4), classes=2, activation=torch_activation("relu"))
