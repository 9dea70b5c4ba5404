"""The φ that a node of the autograd graph names, against the torch function that made the node, and its autograd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from phasemap.train.probe.theories.activations import BUILT_IN, named_activation

KNOWN: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (torch.relu, "relu"),
    (nn.LeakyReLU(0.3), "leaky-relu slope=0.3"),
    (torch.tanh, "tanh"),
    (torch.erf, "erf"),
    (torch.sin, "sin"),
    (torch.abs, "abs"),
    (nn.GELU(), "gelu"),
    (nn.GELU(approximate="tanh"), "gelu-tanh"),
    (nn.SiLU(), "silu"),
    (nn.Mish(), "mish"),
    (nn.ELU(), "elu"),
    (nn.ELU(0.5), "elu alpha=0.5"),
    (nn.SELU(), "selu"),
    (nn.Softplus(), "softplus"),
    (nn.Sigmoid(), "sigmoid"),
]


@pytest.mark.parametrize(("function", "label"), KNOWN)
def test_what_a_node_computes(function: Callable[[Tensor], Tensor], label: str) -> None:
    z = (torch.linspace(-6, 6, 400, dtype=torch.float64) + 1e-3).requires_grad_()
    at = 1.3 * z + 0.4
    value = function(at)
    (slope,) = torch.autograd.grad(value.sum(), z, retain_graph=True)
    plain, moved = named_activation([value.grad_fn]), named_activation([value.grad_fn], scale=1.3, shift=0.4)
    assert not isinstance(plain, str)
    assert not isinstance(moved, str)
    assert plain.label == label
    x = z.detach().numpy()
    np.testing.assert_allclose(plain.phi(1.3 * x + 0.4), value.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(moved.phi(x), value.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(moved.derivative(x), slope.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(moved.kinks, [(kink - 0.4) / 1.3 for kink in plain.kinks])


def test_every_kind_of_node_is_tried() -> None:
    z = torch.ones(1, requires_grad=True)
    assert {function(z).grad_fn.name() for function, _ in KNOWN} == set(BUILT_IN)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (functional.hardswish, "Hardswish is no activation that the theory knows"),
        (nn.Softplus(2.0), "Softplus with beta 2 is no activation that the theory knows"),
        (nn.ELU(-1.0), "ELU with alpha -1, scale 1 is no activation that the theory knows"),
        (lambda z: torch.relu(z).sin(), None),
    ],
)
def test_what_is_unknown_has_a_sentence(function: Callable[[Tensor], Tensor], reason: str | None) -> None:
    node = function(torch.ones(3, requires_grad=True)).grad_fn
    nodes = [node] if reason else [node, node.next_functions[0][0]]  # type: ignore[union-attr]
    assert named_activation(nodes) == (
        reason or "what stands between is no single activation: SinBackward0 ← ReluBackward0"
    )
