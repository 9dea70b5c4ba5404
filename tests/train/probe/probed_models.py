"""Modules that a probe is tried on, and everything of them that it must leave as it was."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


def mlp(
    depth: int, width: int, inputs: int = 5, phi: Callable[[], nn.Module] = nn.ReLU, bias: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in range(depth):
        layers += [nn.Linear(inputs if layer == 0 else width, width, bias=bias), nn.BatchNorm1d(width), phi()]
    return nn.Sequential(*layers, nn.Linear(width, 3))


class Residual(nn.Module):
    """Blocks x + MLP(x), with the same functional activation everywhere."""

    def __init__(self, depth: int, width: int, inputs: int = 5) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.w = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.v = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for w, v in zip(self.w, self.v, strict=True):
            x = x + v(torch.tanh(w(x)))
        return self.head(x)


class Shared(nn.Module):
    """One block called again and again, an in-place ReLU, dropout, an unused and a frozen parameter, many outputs."""

    class Output(NamedTuple):
        logits: Tensor
        extra: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 8)
        self.again = nn.Linear(8, 8)
        self.norm = nn.BatchNorm1d(8)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.3)
        self.side = nn.Linear(8, 2)
        self.unused = nn.Linear(3, 3)
        self.again.weight.requires_grad_(False)
        self.count = 0
        self.seen: list[int] = []
        self.register_buffer("clock", torch.zeros(()))

    def forward(self, x: Tensor) -> Output:
        self.count += 1
        self.seen.append(self.count)
        self.clock = self.clock + 1
        x = self.relu(self.first(x))
        for _ in range(4):
            x = self.drop(self.relu(self.norm(self.again(x))))
        return self.Output(x, {"side": self.side(x), "labels": x.argmax(1), "random": random.random()})


def everything(model: nn.Module) -> dict[str, Any]:
    """The whole state of a model that a user could see."""
    return {
        "modes": [m.training for m in model.modules()],
        "parameters": {n: (p, p.detach().clone(), p.grad, p.requires_grad) for n, p in model.named_parameters()},
        "gradients": {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()},
        "buffers": {n: (b, b.clone()) for n, b in model.named_buffers()},
        "hooks": [
            (list(m._forward_hooks), list(m._forward_pre_hooks), list(m._backward_hooks)) for m in model.modules()
        ],
        "attributes": [{k: v for k, v in vars(m).items() if not k.startswith("_")} for m in model.modules()],
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before["modes"] == after["modes"]
    assert before["hooks"] == after["hooks"]
    for name, (p, value, gradient, requires_grad) in before["parameters"].items():
        same, now, gradient_now, requires_now = after["parameters"][name]
        assert same is p
        assert torch.equal(value, now)
        assert gradient_now is gradient
        assert requires_now == requires_grad
        if gradient is not None:
            assert torch.equal(before["gradients"][name], gradient_now)
    assert before["buffers"].keys() == after["buffers"].keys()
    for name, (b, value) in before["buffers"].items():
        assert after["buffers"][name][0] is b
        assert torch.equal(value, after["buffers"][name][1]), name
    for one, other in zip(before["attributes"], after["attributes"], strict=True):
        assert one.keys() == other.keys()
        assert all(one[k] is other[k] for k in one)
