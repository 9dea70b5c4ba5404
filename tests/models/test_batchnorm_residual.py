"""The ragged stack with skip connections against one plain torch network per cell, and against the theory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_mlp import BNMLPCell, BNMLPStack
from phasemap.models.batchnorm_residual import BNResidualStack
from phasemap.models.initial_weights import HIDDEN, READ_OUT, normal_weights
from phasemap.models.sampling.rates import mean_of
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.skip_connections import residual_growth

CELLS = [
    BNMLPCell(depth=2, seed=1, gamma=0.7),
    BNMLPCell(depth=5, seed=0, beta=0.4, sigma_w=1.5),
    BNMLPCell(depth=1, seed=3),
    BNMLPCell(depth=3, seed=1, eps=0.5),
    BNMLPCell(depth=5, seed=7),
]
INPUTS, WIDTH, CLASSES = 6, 8, 3
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def make_stack(
    cells: list[BNMLPCell], dtype: torch.dtype = torch.float64, stack: type[BNMLPStack] = BNResidualStack
) -> BNMLPStack:
    return stack(cells, inputs=INPUTS, width=WIDTH, classes=CLASSES, activation=torch_activation("tanh"), dtype=dtype)


class Network(nn.Module):
    """The same network written in the ordinary way, with torch.nn layers and the documented init."""

    def __init__(self, cell: BNMLPCell) -> None:
        super().__init__()
        self.linear, self.norm = nn.ModuleList(), nn.ModuleList()
        for layer in range(cell.depth):
            fan_in = WIDTH if layer else INPUTS
            weight = normal_weights(cell.seed, HIDDEN, layer, fan_in, WIDTH) * (cell.sigma_w if layer else 1.0)
            self.linear.append(_linear(weight, bias=False))
            self.norm.append(nn.BatchNorm1d(WIDTH, eps=cell.eps, dtype=torch.float64))
            nn.init.constant_(self.norm[-1].weight, cell.gamma)
            nn.init.constant_(self.norm[-1].bias, cell.beta)
        self.head = _linear(normal_weights(cell.seed, READ_OUT, 0, WIDTH, CLASSES), bias=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.linear[0](x)
        for linear, norm in zip(self.linear[1:], self.norm, strict=False):
            h = h + linear(torch.tanh(norm(h)))
        return self.head(torch.tanh(self.norm[-1](h)))


def _linear(weight: np.ndarray, *, bias: bool) -> nn.Linear:
    linear = nn.Linear(*weight.shape, bias=bias, dtype=torch.float64)
    linear.weight = nn.Parameter(torch.from_numpy(weight).T.contiguous())
    if bias:
        nn.init.zeros_(linear.bias)
    return linear


def batch(size: int) -> Tensor:
    return torch.randn(size, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def test_logits_gradients_and_running_statistics_are_those_of_plain_networks() -> None:
    stack, x = make_stack(CELLS), batch(16)
    together = x.expand(len(CELLS), -1, -1)
    for _ in range(3):
        logits = stack(together, statistics_batch_size=16, update_running=True)
    logits.square().sum().backward()
    evaluated = stack.forward_running(together)
    for member, place in enumerate(stack.order.tolist()):
        network = Network(CELLS[place])
        for _ in range(3):
            expected = network(x)
        expected.square().sum().backward()
        torch.testing.assert_close(logits[member], expected, **CLOSE)
        for layer in range(CELLS[place].depth):
            gradient = stack.weight[layer].grad
            assert gradient is not None
            torch.testing.assert_close(gradient[member].T, network.linear[layer].weight.grad, **CLOSE)
            norm = network.norm[layer]
            for ours, theirs in ((stack.gamma, norm.weight), (stack.beta, norm.bias)):
                torch.testing.assert_close(ours[layer].grad[member], theirs.grad, **CLOSE)
            mean, variance = stack.running(layer)
            torch.testing.assert_close(mean[member], norm.running_mean, **CLOSE)
            torch.testing.assert_close(variance[member], norm.running_var, **CLOSE)
        torch.testing.assert_close(evaluated[member], network.eval()(x), **CLOSE)


def test_sub_batches_have_their_own_statistics() -> None:
    stack, x = make_stack(CELLS), batch(12).expand(len(CELLS), -1, -1)
    parts = [stack(part, statistics_batch_size=4) for part in x.split(4, dim=1)]
    torch.testing.assert_close(stack(x, statistics_batch_size=4), torch.cat(parts, dim=1), rtol=1e-12, atol=1e-13)


def test_one_layer_has_nothing_to_skip() -> None:
    x = batch(8).expand(1, -1, -1)
    one, other = (make_stack(CELLS[2:3], stack=stack) for stack in (BNMLPStack, BNResidualStack))
    assert torch.equal(one(x, statistics_batch_size=8), other(x, statistics_batch_size=8))


def test_the_monitor_sees_the_sums_with_their_whole_gradient() -> None:
    stack, x, seen = make_stack(CELLS[1:2]), batch(16), []

    def watch(layer: int, h: Tensor) -> None:
        h.retain_grad()
        seen.append(h)

    stack.watch = watch
    stack(x.unsqueeze(0), statistics_batch_size=16).square().sum().backward()
    network, sums = Network(CELLS[1]), []
    for norm in network.norm:
        norm.register_forward_pre_hook(lambda _, inputs: (inputs[0].retain_grad(), sums.append(inputs[0]))[0])
    network(x).square().sum().backward()
    for ours, theirs in zip(seen, sums, strict=True):
        torch.testing.assert_close(ours[0], theirs, **CLOSE)
        torch.testing.assert_close(ours.grad[0], theirs.grad, **CLOSE)


def test_a_stack_at_initialisation_has_the_theorys_gradient() -> None:
    """What is trained is what the theory is of: 32 seeds, width 128, B = 8, 16 layers, by autograd through the stack.

    ln ‖∂/∂h^1‖² − ln ‖∂/∂h^16‖² within 4 standard errors and ln(16)/N, which finite width may add: the shift that
    sampled networks show (tests/theory/batchnorm/test_skip_connections.py) is less than 1/N for each unit of ln l.
    """
    depth, width, seeds = 16, 128, 32
    cells = [BNMLPCell(depth, seed, eps=0.0) for seed in range(seeds)]
    stack = BNResidualStack(cells, inputs=8, width=width, classes=64, activation=torch_activation("relu"))
    norms: list[Tensor] = []

    def watch(layer: int, h: Tensor) -> None:
        h.register_hook(lambda gradient: norms.append(gradient.double().square().sum((1, 2)).log()))

    stack.watch = watch
    x = 8**0.5 * torch.eye(8).expand(seeds, -1, -1)  # μ^1 = 1 and BSB1, of a wide network
    cotangent = torch.randn(seeds, 8, 64, generator=torch.Generator().manual_seed(0))
    (stack(x, statistics_batch_size=8) * cotangent).sum().backward()
    found = mean_of((norms[-1] - norms[0]).numpy())  # hooks run from the top
    predicted = residual_growth(activation("relu"), 8, depth).log_gradient[0]
    assert abs(found.value - predicted) < 4 * found.error + np.log(depth) / width
    assert found.error < 0.03 * predicted  # and says something


def test_a_member_does_not_depend_on_its_place_or_neighbours() -> None:
    x = batch(16).float()
    stack = make_stack(CELLS, torch.float32)
    together = stack(x.expand(len(CELLS), -1, -1), statistics_batch_size=16)
    for member, place in enumerate(stack.order.tolist()):
        alone = make_stack([CELLS[place]], torch.float32)(x.expand(1, -1, -1), statistics_batch_size=16)
        assert torch.equal(together[member], alone[0])
