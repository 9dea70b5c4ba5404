"""The probe on pre-activation residual networks with BN: what it recognises, and the theory beside the measurement."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, sample_networks
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import gradient_explosion_rate
from phasemap.theory.batchnorm.skip_connections import residual_growth
from phasemap.train.probe.measure import Comparison, Probe, probe
from phasemap.train.probe.rate import LEVEL, explosion_rate
from phasemap.train.probe.theories.batchnorm import finite_width_allowance
from phasemap.train.probe.theories.stretch import trimmed

INPUTS = 64


class PreActivation(nn.Module):
    """x + W·φ(BN(…W·φ(BN(x)))), a block of ``block_layers``; a last BN and φ unless ``bare``."""

    def __init__(
        self,
        blocks: int,
        width: int,
        phi: Callable[[], nn.Module] = nn.ReLU,
        *,
        block_layers: int = 1,
        bare: bool = False,
        norm: Callable[[int], nn.Module] = nn.BatchNorm1d,
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.embed, self.share = nn.Linear(INPUTS, width), share
        self.blocks = nn.ModuleList(
            nn.Sequential(*(m for _ in range(block_layers) for m in (norm(width), phi(), nn.Linear(width, width))))
            for _ in range(blocks)
        )
        self.head = nn.Sequential(*([] if bare else [norm(width), phi()]), nn.Linear(width, 50))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = x + self.share * block(x) if self.share != 1 else x + block(x)
        return self.head(x)


def probed(model: nn.Module, batch_size: int = 16, seed: int = 0, **options: str) -> Probe:
    x = torch.randn(batch_size, INPUTS, generator=torch.Generator().manual_seed(seed))
    return probe(model, x, seed=seed, **options)  # type: ignore[arg-type]


def the_comparison(found: Probe) -> Comparison:
    assert len(found.comparisons) == 1, found.notes
    return found.comparisons[0]


@pytest.mark.parametrize(("phi", "name"), [(nn.ReLU, "relu"), (nn.Tanh, "tanh")])
@pytest.mark.parametrize("block_layers", [1, 2])
def test_blocks_are_recognised_and_have_the_theorys_growth(
    phi: Callable[[], nn.Module], name: str, block_layers: int
) -> None:
    torch.manual_seed(block_layers)
    found = probed(PreActivation(40, 96, phi, block_layers=block_layers))
    one = the_comparison(found)
    assert (one.stretch.first, one.stretch.last) == (0, 39)
    exponent = gradient_explosion_rate(activation(name), 16) ** block_layers
    assert f"{name} → Linear, batch size 16, width 96" in one.stretch.setting
    assert f"block^(−{exponent:.3g})" in one.stretch.setting
    p, cosine = found.moments[0].mean_square, found.moments[0].cosine
    assert p is not None
    assert cosine is not None
    given = {"spread": p * (1 - cosine), "eps": 1e-5, "sigma_w": math.sqrt(1 / 3), "block_layers": block_layers}
    exact = residual_growth(activation(name), 16, 41, **given).log_gradient
    np.testing.assert_allclose(one.stretch.log_rates, exact[:-1] - exact[1:], rtol=0.02)  # σ_w is read from samples
    assert one.within is True
    assert one.measured is not None
    assert one.measured.log_rate < 0.4 * math.log(exponent)  # which is the growth in as many layers without the sum


@pytest.mark.slow
@pytest.mark.parametrize(("block_layers", "bare"), [(1, False), (2, False), (1, True)])
def test_the_growth_of_many_networks(block_layers: int, bare: bool) -> None:
    """16 networks of 12 blocks, width 64, B = 8: the mean of ln of the whole growth, within 4 standard errors and the
    allowance for finite width."""
    differences, allowance = [], 0.0
    for seed in range(16):
        torch.manual_seed(seed)
        found = probed(PreActivation(12, 64, block_layers=block_layers, bare=bare), 8, seed)
        stretch = the_comparison(found).stretch
        steps = -2 * np.diff(found.log_gradient)[stretch.first : stretch.last + 1]
        differences.append(float(np.sum(steps - stretch.log_rates)))
        allowance = block_layers * finite_width_allowance(8, 64) * float(stretch.log_rates.sum())
    error = np.std(differences, ddof=1) / math.sqrt(len(differences))
    assert abs(np.mean(differences)) < 4 * error + allowance


def test_coverage_on_sampled_networks() -> None:
    """Of 30 networks: the interval, without the allowance, holds the theory as often as a 95 % interval must."""
    batch_size, width, depth = 8, 64, 40
    x = torch.randn(batch_size, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    walks = sample_networks(
        NetworkLaw(torch_activation("relu"), width, depth, skip=True), x, networks=30, seed=3
    ).log_gradient
    exact = residual_growth(activation("relu"), batch_size, depth).log_gradient
    predicted = exact[:-1] - exact[1:]
    inside = 0
    for row in walks:
        rate = explosion_rate(row[:-1] - row[1:], predicted=predicted)
        assert rate is not None
        low, high = rate.interval()  # type: ignore[misc]
        inside += low <= predicted[trimmed(depth - 1)].mean() <= high
    assert stats.binom.cdf(inside, len(walks), LEVEL) > 1e-3


def test_a_block_is_not_taken_for_a_layer() -> None:
    """A single Linear lies between two sums, with BN before it: without skip connections it would be a layer's step."""
    torch.manual_seed(0)
    found = probed(PreActivation(12, 64))
    assert the_comparison(found).predicted < 0.5 * math.log(gradient_explosion_rate(activation("relu"), 16))
    assert any("1 of 13 steps: between a block and a single layer" in note for note in found.notes)


def reasons(model: nn.Module, **options: str) -> str:
    found = probed(model, **options)
    assert not found.comparisons
    return "; ".join(found.notes)


def test_why_there_is_no_prediction() -> None:
    torch.manual_seed(0)
    assert "another form than x + W·φ(BN(x))" in reasons(PreActivation(5, 16, share=0.5))
    assert "in a residual block: LayerNorm" in reasons(PreActivation(5, 16, norm=nn.LayerNorm))
    assert "in a residual block: batch normalisation by running" in reasons(PreActivation(5, 16), mode="eval")
    different = PreActivation(5, 16, block_layers=2)
    for block in different.blocks:
        block[4] = nn.Tanh()  # type: ignore[operator]
    assert "residual blocks whose layers differ" in reasons(different)
    same = PreActivation(5, 16)
    nn.init.zeros_(same.embed.weight)
    nn.init.zeros_(same.embed.bias)
    assert "no spread" in reasons(same)
