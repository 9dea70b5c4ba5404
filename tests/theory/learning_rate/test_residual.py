"""The largest learning rate of residual networks: how it scales, and against networks that are trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from phasemap.models.activations import torch_activation
from phasemap.models.residual import ResidualCell, ResidualStack
from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.learning_rate.residual import STEP_LENGTHS, LargestLearningRate, largest_learning_rate
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.widths import Widths

SIZES: dict[str, Any] = {"width": 64, "inputs": 64}


def _limits(depth: int, name: str = "relu", *, width: int = 64, **settings: Any) -> LargestLearningRate:
    phi = activation(name)
    return largest_learning_rate(residual_recurrence(phi, depth, **settings), phi, width=width, inputs=64)


def test_the_unit_moves_the_logits_by_the_length_of_the_activation() -> None:
    """A linear network of equal inputs, by hand: σ = 1, no biases, so that p = χ = 2^L and every layer's part is
    N·2^(L−1) or, for the read-out, N·2^L, and D·2^L for the embedding; biases are in no layer's way."""
    depth, width, inputs = 5, 64, 64
    found = _limits(depth, "identity", gamma0=1.0, sigma_a=0.0, sigma_b=0.0)
    weights = inputs * 2**depth + depth * 2 * width * 2 ** (depth - 1) + width * 2**depth
    biases = 1 + 2 * sum(2**layer for layer in range(depth))
    assert found.unit == pytest.approx(np.sqrt(width * 2**depth) / (weights + biases), rel=1e-12)
    assert found.curvature == pytest.approx(2 * 10 / (weights + biases), rel=1e-12)


def test_limits_scale_as_they_should() -> None:
    narrow, wide = _limits(12, width=10**6), _limits(12, width=10**8)
    assert narrow.unit / wide.unit == pytest.approx(10, rel=1e-4)  # 1/√N
    assert narrow.curvature / wide.curvature == pytest.approx(100, rel=1e-4)  # 1/N
    settings = {"sigma_a": 0.0, "sigma_b": 0.0, "width": 10**8}
    one, larger = _limits(12, p0=1.0, gamma0=0.5, **settings), _limits(12, p0=100.0, gamma0=50.0, **settings)
    assert one.unit / larger.unit == pytest.approx(10, rel=1e-4)  # 1/√p
    assert one.curvature / larger.curvature == pytest.approx(100, rel=1e-4)  # 1/p
    assert one.low < one.diverges < one.high
    assert one.diverges / one.unit == pytest.approx(STEP_LENGTHS["relu"][0])
    assert np.isnan(_limits(12, "erf").diverges)  # not measured
    assert _limits(12, "erf").unit > 0


def _diverges(depth: int, rates: list[float], **settings: float) -> list[bool]:
    """Whether ReLU networks of width 64, one for each rate, diverge within 40 steps on random inputs and labels."""
    random = torch.Generator().manual_seed(0)
    common = torch.randn(1, 64, generator=random)
    stack = ResidualStack(
        [ResidualCell(depth, seed, **settings) for seed in range(len(rates))],
        inputs=64,
        widths=Widths((64,) * (depth + 1), (64,) * depth),
        classes=10,
        activation=torch_activation("relu"),
    )
    minus = -torch.tensor(rates).view(-1, 1, 1)
    for _ in range(40):
        x = (common + torch.randn(32, 64, generator=random)) / 2**0.5
        y = torch.randint(10, (32,), generator=random)
        logits = stack(x.expand(len(rates), *x.shape)).transpose(1, 2)
        loss = functional.cross_entropy(logits, y.expand(len(rates), -1), reduction="none").mean(1)
        loss.sum().backward()
        with torch.no_grad():
            for p in stack.parameters():
                p.addcmul_(p.grad, minus)
                p.grad = None
    return (~loss.isfinite()).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "beta"), [(6, 0.0), (16, 0.0), (16, 0.8)])
def test_networks_train_below_and_diverge_above(depth: int, beta: float) -> None:
    """Other inputs than those on which ε was measured; p spans e³ to e⁸. Half of its range is left on either side."""
    limits = _limits(depth, beta_w=beta, beta_b=beta, gamma0=0.5)
    rates = [limits.low / 1.5] * 4 + [limits.high * 1.5] * 4
    assert _diverges(depth, rates, beta_w=beta, beta_b=beta) == [False] * 4 + [True] * 4


def test_what_has_no_limit() -> None:
    phi = activation("relu")
    trace = residual_recurrence(phi, 3)
    with pytest.raises(InputError, match="classes 1"):
        largest_learning_rate(trace, phi, classes=1, **SIZES)
    identity = activation("identity")
    opposite = residual_recurrence(identity, 3, gamma0=-0.9, sigma_a=0.0, sigma_b=0.0)
    with pytest.raises(InputError, match=r"gamma0 -0\.9"):
        largest_learning_rate(opposite, identity, **SIZES)
