"""Plain networks under the probe: which are recognised, and the growth that the theory says against the measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from phasemap.theory.mlp.transients import transient
from phasemap.train.probe.measure import probe

WIDTH = 256


def network(
    depth: int, phi: Any, *, sigma_w: float, sigma_b: float, layer_norm: bool = False, seed: int = 0, width: int = WIDTH
) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    parts: list[nn.Module] = []
    for layer in range(depth):
        linear = nn.Linear(32 if layer == 0 else width, width, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.normal_(0, sigma_w / math.sqrt(linear.in_features), generator=generator)
            linear.bias.normal_(0, sigma_b, generator=generator)
        parts += [linear, *([nn.LayerNorm(width, dtype=torch.float64)] if layer_norm else []), phi()]
    return nn.Sequential(*parts, nn.Linear(width, 5, dtype=torch.float64))


def batch(seed: int = 1) -> torch.Tensor:
    return torch.randn(16, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("phi", "name", "sigma_w", "sigma_b", "norm"),
    [
        (nn.Tanh, "tanh", 1.1, 0.2, "none"),
        (nn.Tanh, "tanh", 1.8, 0.2, "none"),
        (nn.ReLU, "relu", 1.6, 0.1, "none"),
        (nn.Tanh, "tanh", 2.0, 0.3, "layer"),
        (nn.GELU, "gelu", 1.2, 0.5, "layer"),
    ],
)
def test_the_predicted_growth_is_the_measured_one(
    phi: Any, name: str, sigma_w: float, sigma_b: float, norm: str
) -> None:
    """Of each step, in several random networks: within their standard error, and what width 256 may add."""
    gaps = []
    for seed in range(6):
        model = network(8, phi, sigma_w=sigma_w, sigma_b=sigma_b, layer_norm=norm == "layer", seed=seed)
        found = probe(model, batch(seed))
        stretch = found.comparisons[0].stretch  # the other is the read-out, whose weights are smaller
        assert (stretch.first, stretch.last) == (0, 6)
        measured = np.array(found.log_growth)[stretch.first : stretch.last + 1]
        gaps.append(float(np.mean(measured - stretch.log_rates)))
    error = float(np.std(gaps, ddof=1) / math.sqrt(len(gaps)))
    assert abs(np.mean(gaps)) < 4 * error + 4 / WIDTH


def test_the_growth_is_that_of_lengths_that_start_where_the_data_are() -> None:
    model = network(6, nn.Tanh, sigma_w=1.5, sigma_b=0.3, width=1024)
    found = probe(model, batch())
    stretch = found.comparisons[0].stretch
    q0 = float(batch().square().mean())
    expected = np.log(transient("tanh", 6, sigma_w=1.5, sigma_b=0.3, q0=q0).chi[1:6])
    np.testing.assert_allclose(stretch.log_rates, expected, atol=0.03)
    assert stretch.setting.startswith("Linear → tanh, width 1024, σ_w 1.5, σ_b 0.3")


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        ([nn.Dropout(0.5), nn.Tanh()], "what stands between is no single activation"),
        ([nn.GroupNorm(2, WIDTH), nn.Tanh()], "GroupNorm on 2-dimensional activations"),
        ([nn.Hardtanh()], "Hardtanh is no activation that the theory knows"),
        ([], "Linear layers without batch normalisation or activation between"),
    ],
)
def test_what_the_theory_does_not_know_has_its_reason(between: list[nn.Module], reason: str) -> None:
    parts: list[nn.Module] = []
    for _ in range(3):
        parts += [nn.Linear(WIDTH, WIDTH), *between]
    found = probe(nn.Sequential(*parts, nn.Linear(WIDTH, 4)), torch.randn(8, WIDTH))
    assert not found.comparisons
    assert reason in " ".join(found.notes)


def test_gamma_and_beta_of_layer_normalisation_are_read() -> None:
    model = network(4, nn.Tanh, sigma_w=1.0, sigma_b=0.0, layer_norm=True)
    for module in model:
        if isinstance(module, nn.LayerNorm):
            nn.init.constant_(module.weight, 2.0)
            nn.init.constant_(module.bias, 0.5)
    stretch = probe(model, batch()).comparisons[0].stretch
    assert "LayerNorm (ε 1e-05) → tanh gamma=2 beta=0.5" in stretch.setting
    norm = model[4]
    assert isinstance(norm, nn.LayerNorm)
    with torch.no_grad():
        norm.weight[0] = 3.0
    found = probe(model, batch())
    assert "γ or β of layer normalisation differ from unit to unit" in " ".join(found.notes)
