"""The ragged stack against one plain torch network per cell."""

import pytest
import torch
from torch import Tensor, nn

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_mlp import BNMLPCell, BNMLPStack
from phasemap.models.initial_weights import HIDDEN, READ_OUT, normal_weights
from phasemap.theory.activations import BUILT_IN

CELLS = [
    BNMLPCell(depth=2, seed=1, gamma=0.7),
    BNMLPCell(depth=5, seed=0, beta=0.4, sigma_w=1.5),
    BNMLPCell(depth=3, seed=1, eps=0.5),
    BNMLPCell(depth=5, seed=7),
]
INPUTS, WIDTH, CLASSES = 6, 8, 3


def make_stack(cells: list[BNMLPCell], dtype: torch.dtype = torch.float64) -> BNMLPStack:
    return BNMLPStack(
        cells, inputs=INPUTS, width=WIDTH, classes=CLASSES, activation=torch_activation("tanh"), dtype=dtype
    )


def plain_network(cell: BNMLPCell) -> nn.Sequential:
    """The same network written in the ordinary way, with torch.nn layers and the documented init."""
    layers: list[nn.Module] = []
    for layer in range(cell.depth):
        fan_in = INPUTS if layer == 0 else WIDTH
        linear = nn.Linear(fan_in, WIDTH, bias=False, dtype=torch.float64)
        weight = normal_weights(cell.seed, HIDDEN, layer, fan_in, WIDTH) * (cell.sigma_w if layer else 1.0)
        linear.weight = nn.Parameter(torch.from_numpy(weight).T.contiguous())
        bn = nn.BatchNorm1d(WIDTH, eps=cell.eps, dtype=torch.float64)
        nn.init.constant_(bn.weight, cell.gamma)
        nn.init.constant_(bn.bias, cell.beta)
        layers += [linear, bn, nn.Tanh()]
    head = nn.Linear(WIDTH, CLASSES, dtype=torch.float64)
    head.weight = nn.Parameter(torch.from_numpy(normal_weights(cell.seed, READ_OUT, 0, WIDTH, CLASSES)).T.contiguous())
    nn.init.zeros_(head.bias)
    return nn.Sequential(*layers, head)


def batch(size: int) -> Tensor:
    return torch.randn(size, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def test_logits_gradients_and_running_statistics_are_those_of_plain_networks() -> None:
    stack, x = make_stack(CELLS), batch(16)
    for _ in range(3):
        logits = stack(x.expand(len(CELLS), -1, -1), statistics_batch_size=16, update_running=True)
    logits.square().sum().backward()
    evaluated = stack.forward_running(x.expand(len(CELLS), -1, -1))
    close = {"rtol": 1e-10, "atol": 1e-12}
    for member, place in enumerate(stack.order.tolist()):
        network = plain_network(CELLS[place])
        for _ in range(3):
            expected = network(x)
        expected.square().sum().backward()
        torch.testing.assert_close(logits[member], expected, **close)
        for layer in range(CELLS[place].depth):
            linear, bn = network[3 * layer], network[3 * layer + 1]
            gradient = stack.weight[layer].grad
            assert gradient is not None
            torch.testing.assert_close(gradient[member].T, linear.weight.grad, **close)
            for ours, theirs in ((stack.gamma, bn.weight), (stack.beta, bn.bias)):
                torch.testing.assert_close(ours[layer].grad[member], theirs.grad, **close)
            mean, variance = stack.running(layer)
            torch.testing.assert_close(mean[member], bn.running_mean, **close)
            torch.testing.assert_close(variance[member], bn.running_var, **close)
        torch.testing.assert_close(evaluated[member], network.eval()(x), **close)


def test_sub_batches_have_their_own_statistics() -> None:
    stack, x = make_stack(CELLS), batch(12).expand(len(CELLS), -1, -1)
    whole = stack(x, statistics_batch_size=4)
    parts = [stack(part, statistics_batch_size=4) for part in x.split(4, dim=1)]
    torch.testing.assert_close(whole, torch.cat(parts, dim=1), rtol=1e-12, atol=1e-13)


def test_a_member_does_not_depend_on_its_place_or_neighbours() -> None:
    x = batch(16).float()
    stack = make_stack(CELLS, torch.float32)
    together = stack(x.expand(len(CELLS), -1, -1), statistics_batch_size=16)
    for member, place in enumerate(stack.order.tolist()):
        alone = make_stack([CELLS[place]], torch.float32)(x.expand(1, -1, -1), statistics_batch_size=16)
        assert torch.equal(together[member], alone[0])


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("groups", [1, 4])
def test_watched_and_unwatched_layers_give_the_same_bits(name: str, groups: int) -> None:
    """One function for map, BN and activation, or two with the pre-activations between them for someone to see."""
    cells = [BNMLPCell(depth=4, seed=seed) for seed in range(3)]
    x = batch(16).float().expand(3, -1, -1)
    found = []
    for watch in (None, lambda layer, h: None):
        stack = BNMLPStack(
            cells, inputs=INPUTS, width=13, classes=CLASSES, activation=torch_activation(name, alpha=1.5, slope=0.2)
        )
        stack.watch = watch
        logits = stack(x, statistics_batch_size=16 // groups, update_running=True)
        logits.logsumexp(2).sum().backward()
        found.append([logits, *(p.grad for p in stack.parameters()), *stack.buffers()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_initial_weights_have_the_documented_variance() -> None:
    cells = [BNMLPCell(depth=2, seed=seed, sigma_w=2.0) for seed in range(4)]
    stack = BNMLPStack(cells, inputs=50, width=200, classes=10, activation=torch_activation("relu"))
    for weight, variance in ((stack.weight[0], 1 / 50), (stack.weight[1], 4 / 200), (stack.read_out, 1 / 200)):
        count = weight.numel()
        assert weight.var().item() == pytest.approx(variance, rel=5 * (2 / count) ** 0.5)  # 5 standard errors
    assert not stack.bias.any()


def test_depths_follow_the_members() -> None:
    stack = make_stack(CELLS)
    assert stack.depths().tolist() == [CELLS[place].depth for place in stack.order.tolist()] == [5, 5, 3, 2]
