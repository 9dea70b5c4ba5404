"""The probe beside the theory: λ_G↓ within its interval, what is recognised, and why the rest is not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, sample_networks
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.train.probe.measure import Comparison, Probe, probe
from phasemap.train.probe.rate import LEVEL, explosion_rate
from phasemap.train.probe.report import record
from phasemap.train.probe.theories.batchnorm import finite_width_allowance


def bn_mlp(
    depth: int, width: int, phi: Callable[[], nn.Module] = nn.ReLU, *, eps: float = 1e-5, bias: bool = False
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in range(depth):
        layers += [nn.Linear(width if layer else 64, width, bias=bias), nn.BatchNorm1d(width, eps=eps), phi()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def the_comparison(found: Probe) -> Comparison:
    assert len(found.comparisons) == 1, found.notes
    return found.comparisons[0]


@pytest.mark.parametrize("batch_size", [8, 32, 128])
def test_depth_100_has_the_theorys_rate_within_its_interval(batch_size: int) -> None:
    """As torch draws it by default (uniform weights, biases), and also without the allowance within 4 %."""
    torch.manual_seed(batch_size)
    found = probe(bn_mlp(100, 192, bias=True), torch.randn(batch_size, 64), seed=1)
    theory = depth_scale(activation("relu"), batch_size, eps=1e-5)
    one = the_comparison(found)
    assert one.predicted == pytest.approx(math.log(theory.rate), rel=1e-3)  # ε counts for more at σ_w = 1/√3
    assert one.within is True
    assert found.rate is not None
    assert found.rate.regime == "exploding"
    assert found.rate.interval() is not None
    low, high = found.rate.interval()  # type: ignore[misc]
    assert low < math.log(theory.rate) < high
    assert high - low < 0.3 * math.log(theory.rate)  # and says something
    fields = record(found)
    assert fields["gradient_explosion_rate"]["low"] < theory.rate < fields["gradient_explosion_rate"]["high"]
    assert fields["depth_scale"]["low"] < theory.xi < fields["depth_scale"]["high"]
    assert fields["theory"][0]["depth_scale"] == pytest.approx(theory.xi, rel=1e-3)


@pytest.mark.parametrize(("factor", "stretches"), [(0.96, 1), (1.3, 2)])
def test_a_small_read_out_scatters_more_than_a_large_layer(factor: float, stretches: int) -> None:
    """σ_w read from 192·10 entries is uncertain by 1.6 %, from 192·192 by 0.4 %."""
    torch.manual_seed(0)
    model = bn_mlp(6, 192)
    assert isinstance(model[-1], nn.Linear)
    with torch.no_grad():
        model[-1].weight *= factor * float(model[-4].weight.std() / model[-1].weight.std())
    assert len(probe(model, torch.randn(8, 64)).comparisons) == stretches


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [8, 32, 128])
def test_coverage_of_the_probe_on_depth_100(batch_size: int) -> None:
    """Of 40 networks: at least what a 95 % interval must cover; finite width is allowed for."""
    covered = 0
    for seed in range(40):
        torch.manual_seed(1000 + seed)
        covered += the_comparison(probe(bn_mlp(100, 192), torch.randn(batch_size, 64), seed=seed)).within is True
    assert stats.binom.cdf(covered, 40, LEVEL) > 1e-3


@pytest.mark.parametrize(
    ("name", "batch_size", "width"),
    [("relu", 8, 192), *(pytest.param(*long, marks=pytest.mark.slow) for long in (("tanh", 8, 192), ("relu", 32, 96)))],
)
def test_coverage_on_sampled_networks(name: str, batch_size: int, width: int) -> None:
    """Of the rate of networks of this width without, and of the theory's with the allowance for finite width."""
    law = NetworkLaw(torch_activation(name), width, 100, eps=1e-5)
    x = torch.randn(batch_size, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    walks = sample_networks(law, x, networks=40, seed=3).log_gradient
    rates = [explosion_rate(row[:-1] - row[1:]) for row in walks]
    allowance = finite_width_allowance(batch_size, width)
    theory = math.log(depth_scale(activation(name), batch_size, eps=1e-5).rate)
    means = np.array([rate.log_rate for rate in rates if rate is not None])
    inside = with_allowance = 0
    for rate in rates:
        assert rate is not None
        low, high = rate.interval()  # type: ignore[misc]
        # of the mean over networks, known to sd/√40: to a sixth of a network's own scatter
        inside += low <= means.mean() <= high
        with_allowance += low - allowance <= theory <= high + allowance
    assert stats.binom.cdf(inside, len(rates), LEVEL) > 1e-3
    assert stats.binom.cdf(with_allowance, len(rates), LEVEL) > 1e-3
    # the envelope holds the mean's deviation, within the mean's own error
    assert abs(means.mean() - theory) < allowance + 3 * means.std(ddof=1) / math.sqrt(len(means))


def test_the_allowance_falls_like_one_over_the_width() -> None:
    wide = [finite_width_allowance(32, width) * width for width in (10**4, 10**5, 10**6)]
    assert wide[2] == pytest.approx(3 + 32 / 12, rel=1e-3)
    assert wide[0] < wide[1] < wide[2]


@pytest.mark.parametrize(
    ("phi", "name"),
    [(nn.Tanh, "tanh"), (lambda: nn.LeakyReLU(0.3), "leaky-relu slope=0.3"), (nn.GELU, "gelu"), (nn.SiLU, "silu"),
     (nn.ELU, "elu"), (nn.Identity, "identity")],
)  # fmt: skip
def test_activations_are_recognised(phi: Callable[[], nn.Module], name: str) -> None:
    torch.manual_seed(0)
    found = probe(bn_mlp(40, 96, phi), torch.randn(16, 64))
    one = the_comparison(found)
    assert f"→ {name}, batch size 16, width 96" in one.stretch.setting
    assert (one.stretch.first, one.stretch.last) == (0, 39)
    assert one.within is True


def test_gamma_beta_and_eps_are_read() -> None:
    torch.manual_seed(0)
    model = bn_mlp(30, 96, nn.Tanh, eps=0.05)
    for module in model:
        if isinstance(module, nn.BatchNorm1d):
            module.weight.data.fill_(1.5)
            module.bias.data.fill_(0.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 1.2 / math.sqrt(module.in_features))
    one = the_comparison(probe(model, torch.randn(16, 64)))
    expected = depth_scale(activation("tanh", scale=1.5, shift=0.5), 16, eps=0.05, sigma_w=1.2)
    assert one.predicted == pytest.approx(math.log(expected.rate), rel=2e-3)  # σ_w is read from the weights
    assert one.within is True


class Functional(nn.Module):
    """Linear → BN → φ with functional activations."""

    def __init__(self, depth: int, width: int, phi: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.norm = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(depth))
        self.phi = phi

    def forward(self, x: Tensor) -> Tensor:
        for linear, norm in zip(self.linear, self.norm, strict=True):
            x = self.phi(norm(linear(x)))
        return x


def test_functional_activations_are_recognised_too() -> None:
    torch.manual_seed(0)
    model = Functional(30, 96, lambda z: functional.relu(z, inplace=True))
    one = the_comparison(probe(model, torch.randn(16, 96)))
    assert "→ relu," in one.stretch.setting
    assert one.within is True


def test_two_stretches() -> None:
    torch.manual_seed(0)
    first, second = bn_mlp(20, 64), Functional(20, 64, torch.tanh)
    found = probe(nn.Sequential(*list(first)[:-1], second), torch.randn(16, 64))
    assert [("relu" in c.stretch.setting, c.stretch.first, c.stretch.last) for c in found.comparisons] == [
        (True, 0, 19),
        (False, 20, 38),
    ]
    assert found.rate is not None
    assert found.rate.allowance == 0


def reasons(model: nn.Module, x: Tensor, **options: str) -> str:
    found = probe(model, x, **options)  # type: ignore[arg-type]
    assert not found.comparisons
    return "; ".join(found.notes)


def test_why_there_is_no_prediction() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 12)
    assert "running statistics" in reasons(bn_mlp(4, 12), torch.randn(8, 64), mode="eval")
    assert "without batch normalisation" in reasons(nn.Sequential(*(nn.Linear(12, 12) for _ in range(4))), x)
    trained = bn_mlp(4, 12)
    for module in trained:
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight)
    assert "differ from unit to unit" in reasons(trained, torch.randn(8, 64))
    drop = nn.Sequential(
        *(m for _ in range(4) for m in (nn.Linear(12, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout()))
    )
    assert "no single activation" in reasons(drop, x)
    unknown = Functional(4, 12, functional.hardswish)
    assert "Hardswish is no activation that the theory knows" in reasons(unknown, x)
    assert "GroupNorm" in reasons(
        nn.Sequential(*(m for _ in range(4) for m in (nn.Linear(12, 12), nn.GroupNorm(2, 12)))), x
    )
    assert "--batch-size 2" in reasons(bn_mlp(4, 12), torch.randn(2, 64))


class Residual(nn.Module):
    """x + v·φ(w·x + b) + a, σ² l^(−β) for all; optionally ReLU after the sum, which is another family."""

    def __init__(self, depth: int, width: int, beta: float = 0.0, after: bool = False) -> None:
        super().__init__()
        self.embed = nn.Linear(10, width)
        self.w, self.v = (nn.ModuleList(nn.Linear(width, width) for _ in range(depth)) for _ in range(2))
        self.head = nn.Linear(width, 3)
        self.after = after
        for layers in (self.w, self.v):
            for number, linear in enumerate(layers, start=1):
                nn.init.normal_(linear.weight, 0, number ** (-beta / 2) / math.sqrt(width))  # type: ignore[arg-type]
                nn.init.normal_(linear.bias, 0, 0.5 * number ** (-beta / 2))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for w, v in zip(self.w, self.v, strict=True):
            x = x + v(torch.tanh(w(x)))
            if self.after:
                x = torch.relu(x)
        return self.head(x)


@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_residual_blocks(beta: float) -> None:
    torch.manual_seed(1)
    found = probe(Residual(40, 128, beta), torch.randn(32, 10))
    one = the_comparison(found)
    assert (one.stretch.first, one.stretch.last) == (0, 39)
    sigmas = {"sigma_b": 0.5, "sigma_a": 0.5, **{f"beta_{name}": beta for name in "wbva"}}
    p0 = found.moments[0].mean_square
    assert p0 is not None
    exact = residual_recurrence(activation("tanh"), 40, p0=p0, gamma0=0.1 * p0, **sigmas).log_growth[1:]
    # the law is read from samples: of biases 128 a layer, of weights many more
    np.testing.assert_allclose(one.stretch.log_rates, exact, rtol=0.05)
    assert one.measured is not None
    # one network's blocks scatter by √(2/N) each about the mean, and width adds O(1/N)
    assert one.measured.log_rate == pytest.approx(one.predicted, abs=0.02)


def test_other_residual_blocks_are_refused() -> None:
    torch.manual_seed(0)
    found = probe(Residual(5, 16, after=True), torch.randn(8, 10))
    assert the_comparison(found).stretch.last == 0  # what comes out of the first sum has not met a ReLU yet
    assert any("4 of 6 steps: blocks of another form" in note for note in found.notes)
    wild = Residual(6, 32)
    wild.w[2].weight.data.mul_(3)  # type: ignore[operator, union-attr]
    assert "follow no law" in reasons(wild, torch.randn(8, 10))
