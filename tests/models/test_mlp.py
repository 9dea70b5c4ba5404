"""The ragged stack of ordinary networks against one plain torch network per cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from phasemap.models.activations import torch_activation
from phasemap.models.initial_weights import (
    BIAS,
    HIDDEN,
    READ_OUT,
    normal_weights,
    orthogonal_weights,
)
from phasemap.models.mlp import MLPCell, MLPStack

CELLS = [
    MLPCell(depth=2, seed=1, sigma_w=0.7),
    MLPCell(depth=5, seed=0, sigma_w=1.5, sigma_b=0.3),
    MLPCell(depth=1, seed=3),
    MLPCell(depth=3, seed=1, sigma_b=0.5),
    MLPCell(depth=5, seed=7, sigma_w=2.0, sigma_b=0.1),
]
DROPPED = [MLPCell(2, 1, 0.7, 0.2, 0.5), MLPCell(4, 0, 1.5, 0.3, 0.9), MLPCell(4, 3), MLPCell(1, 1, keep=0.8)]
SIZES = INPUTS, WIDTH, CLASSES = 6, 8, 3
CLOSE = {"rtol": 1e-10, "atol": 1e-12}
EPS = 0.05
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "layer norm": {"eps": EPS},
    "orthogonal": {"orthogonal": True},
    "frozen bias": {"train_bias": False},
}


def make_stack(cells: list[MLPCell], dtype: torch.dtype = torch.float64, **options: Any) -> MLPStack:
    usual = {"inputs": INPUTS, "width": WIDTH, "classes": CLASSES, "activation": torch_activation("tanh")}
    return MLPStack(cells, dtype=dtype, **{**usual, **options})


class Masked(nn.Module):
    """Multiplies by numbers that are given."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask


def network(
    cell: MLPCell, masks: list[Tensor] | None = None, *, sizes: tuple[int, int, int] = SIZES, **options: Any
) -> nn.Sequential:
    """The same network written in the ordinary way, with torch.nn layers and the documented init."""
    inputs, width, classes = sizes
    layers: list[nn.Module] = []
    drawn = orthogonal_weights if options.get("orthogonal") else normal_weights
    for layer in range(cell.depth):
        fan_in = width if layer else inputs
        linear = _linear(drawn(cell.seed, HIDDEN, layer, fan_in, width) * cell.sigma_w)
        bias = normal_weights(cell.seed, BIAS, layer, 1, width)[0] * cell.sigma_b
        linear.bias = nn.Parameter(torch.from_numpy(bias), requires_grad=options.get("train_bias", True))
        layers.append(linear)
        if "eps" in options:
            layers.append(nn.LayerNorm(width, eps=options["eps"], elementwise_affine=False))
        layers.append(nn.Tanh())
        if masks:
            layers.append(Masked(masks[layer]))
    return nn.Sequential(*layers, _linear(normal_weights(cell.seed, READ_OUT, 0, width, classes)))


def _linear(weight: np.ndarray) -> nn.Linear:
    linear = nn.Linear(*weight.shape, dtype=torch.float64)
    linear.weight = nn.Parameter(torch.from_numpy(weight).T.contiguous())
    nn.init.zeros_(linear.bias)
    return linear


def batch(size: int) -> Tensor:
    return torch.randn(size, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def assert_same(stack: MLPStack, member: int, plain: nn.Sequential) -> None:
    """Every gradient of one member."""
    linears = [module for module in plain if isinstance(module, nn.Linear)]
    for layer, linear in enumerate(linears[:-1]):
        weight, bias = stack.weight[layer].grad, stack.hidden_bias[layer].grad
        assert weight is not None
        torch.testing.assert_close(weight[member].T, linear.weight.grad, **CLOSE)
        if linear.bias.requires_grad:
            assert bias is not None
            torch.testing.assert_close(bias[member, 0], linear.bias.grad, **CLOSE)
        else:
            assert bias is None
    assert stack.read_out.grad is not None
    torch.testing.assert_close(stack.read_out.grad[member].T, linears[-1].weight.grad, **CLOSE)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_logits_and_gradients_are_those_of_plain_networks(options: dict[str, Any]) -> None:
    stack, x = make_stack(CELLS, **options), batch(16)
    together = x.expand(len(CELLS), -1, -1)
    logits = stack(together)
    logits.square().sum().backward()
    assert torch.equal(stack.forward_running(together), logits)
    for member, place in enumerate(stack.order.tolist()):
        plain = network(CELLS[place], **options)
        expected = plain(x)
        expected.square().sum().backward()
        torch.testing.assert_close(logits[member], expected, **CLOSE)
        assert_same(stack, member, plain)


@pytest.mark.parametrize("options", [{}, {"eps": EPS}], ids=["plain", "layer norm"])
def test_with_dropout_too_behind_every_activation(options: dict[str, Any]) -> None:
    stack, x = make_stack(DROPPED, **options), batch(16)
    together = x.expand(len(DROPPED), -1, -1)
    assert stack.dropout
    for _ in range(3):
        masks = stack.dropout.masks(16, WIDTH, advance=False)
        masked = [masks(layer) for layer in range(len(stack.counts))]
        stack.zero_grad()
        logits = stack(together, update_running=True)
        logits.square().sum().backward()
    evaluated = stack.forward_running(together)
    for member, place in enumerate(stack.order.tolist()):
        mine = [mask[member] for mask in masked if member < len(mask)]
        plain = network(DROPPED[place], mine, **options)
        expected = plain(x)
        expected.square().sum().backward()
        torch.testing.assert_close(logits[member], expected, **CLOSE)
        assert_same(stack, member, plain)
        torch.testing.assert_close(evaluated[member], network(DROPPED[place], **options)(x), **CLOSE)


def test_layer_normalisation_is_torchs() -> None:
    seen: list[Tensor] = []
    stack = make_stack([MLPCell(1, 0, 3.0, 0.5)], eps=EPS, activation=torch_activation("identity"))
    stack.watch = lambda layer, z: seen.append(z)
    x = batch(16).unsqueeze(0)
    logits = stack(x)
    normal = nn.functional.layer_norm(seen[0], (WIDTH,), eps=EPS)
    torch.testing.assert_close(logits, normal @ stack.read_out, **CLOSE)
    torch.testing.assert_close(normal.mean(2), torch.zeros(1, 16, dtype=torch.float64), **CLOSE)
    spread = seen[0].var(2, correction=0)
    torch.testing.assert_close(normal.var(2, correction=0), spread / (spread + EPS), **CLOSE)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_member_does_not_depend_on_its_place_or_neighbours(options: dict[str, Any]) -> None:
    x = batch(16).float()
    for cells in (CELLS, [cell for cell in DROPPED if cell.keep < 1]):
        stack = make_stack(cells, torch.float32, **options)
        together = stack(x.expand(len(cells), -1, -1))
        for member, place in enumerate(stack.order.tolist()):
            alone = make_stack([cells[place]], torch.float32, **options)(x.expand(1, -1, -1))
            assert torch.equal(together[member], alone[0])


def test_a_member_without_dropout_has_the_same_bits_beside_one_with() -> None:
    x = batch(16).float()
    stack = make_stack(DROPPED, torch.float32)
    together = stack(x.expand(len(DROPPED), -1, -1))
    alone = make_stack([DROPPED[2]], torch.float32)
    assert alone.dropout is None
    assert torch.equal(together[stack.order.tolist().index(2)], alone(x.expand(1, -1, -1))[0])


@pytest.mark.parametrize(("fan_in", "fan_out"), [(300, 300), (64, 200), (200, 64), (1, 50), (50, 1), (1, 1)])
@pytest.mark.parametrize("drawn", [normal_weights, orthogonal_weights])
def test_initial_weights_have_variance_one_over_fan_in(drawn: Any, fan_in: int, fan_out: int) -> None:
    weight = np.stack([drawn(seed, HIDDEN, 0, fan_in, fan_out) for seed in range(20)])
    assert weight.shape == (20, fan_in, fan_out)
    assert abs(weight.mean()) < 4.5 / np.sqrt(20 * fan_in * fan_out * fan_in)
    squares = (weight**2).mean((1, 2)) * fan_in
    if drawn is normal_weights:
        assert abs(squares.mean() - 1) < 4.5 * np.sqrt(2 / (20 * fan_in * fan_out))
        return
    np.testing.assert_allclose(squares, 1.0, rtol=1e-12)
    longer = weight if fan_in >= fan_out else weight.swapaxes(1, 2)
    products = longer.swapaxes(1, 2) @ longer * fan_in / max(fan_in, fan_out)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(products.shape[1]), products.shape), atol=1e-12)


def test_orthogonal_matrices_are_drawn_uniformly() -> None:
    """Of the Haar measure: E tr(Q) = 0, E tr(Q)² = 1, and as many of determinant 1 as of −1. LAPACK's own Q is not so:
    the sign of its diagonal follows from the algorithm."""
    q = np.stack([orthogonal_weights(seed, HIDDEN, 0, 5, 5) for seed in range(4000)])
    traces = np.trace(q, axis1=1, axis2=2)
    assert abs(traces.mean()) < 4.5 / np.sqrt(4000)
    assert abs((traces**2).mean() - 1) < 4.5 * np.sqrt(2 / 4000)
    assert abs(np.linalg.det(q).mean()) < 4.5 / np.sqrt(4000)
    assert abs((q[:, 0, 0] ** 2).mean() - 1 / 5) < 4.5 * np.sqrt(2 * 4 / 5**2 / 7 / 4000)


def test_deep_linear_networks_keep_every_length_if_orthogonal() -> None:
    """Dynamical isometry: the singular values of the whole map from the first layer on are all σ_w^depth."""
    depth, sigma_w = 20, 1.1
    stack = make_stack([MLPCell(depth, 0, sigma_w)], orthogonal=True, activation=torch_activation("identity"))
    jacobian = torch.linalg.multi_dot([weight[0] for weight in stack.hidden_weights()[1:]])
    found = torch.linalg.svdvals(jacobian)
    torch.testing.assert_close(found, torch.full((WIDTH,), sigma_w ** (depth - 1), dtype=torch.float64), **CLOSE)
