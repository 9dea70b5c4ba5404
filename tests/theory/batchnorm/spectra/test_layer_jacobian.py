"""The singular values of a layer's Jacobian: against λ_G, closed forms of linear networks, and sampled networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import Float

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.rates import extrapolate, mean_of
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.spectra.layer_jacobian import LayerJacobian, layer_jacobian
from phasemap.theory.errors import InputError

SHIFTS = (0.1, 1.0, 10.0)
EDGES = np.array([0.5, 0.9, 1.1, 2.0])


def scrambles(law: LayerJacobian) -> list[LayerJacobian]:
    """The law by each scramble alone, for the standard error of what is not linear in it."""
    return [replace(law, units=law.units[i : i + 1], radius2=law.radius2[i : i + 1]) for i in range(len(law.units))]


@pytest.mark.parametrize(
    ("name", "options", "eps", "sigma_w"),
    [
        ("relu", {}, 0.0, 1.0),
        ("tanh", {"scale": 1.5}, 0.0, 1.4),
        ("tanh", {}, 0.3, 1.3),
        ("relu", {"shift": 1.0}, 0.1, 1.0),
    ],
)
def test_the_mean_square_is_the_explosion_rate(
    name: str, options: dict[str, float], eps: float, sigma_w: float
) -> None:
    phi = activation(name, **options)
    law = layer_jacobian(phi, 8, eps=eps, sigma_w=sigma_w)
    mean, error = law.mean_square
    assert abs(mean - batchnorm_record(phi, 8, eps=eps, sigma_w=sigma_w)["backward"]["G"]) < 5 * error
    assert error < 0.01 * mean


@pytest.mark.parametrize("size", [6, 8, 20])
def test_a_linear_network(size: int) -> None:
    """t = (B−1)/ρ² in B − 2 of B − 1 directions and 0 in one: E ρ⁻² = 1/(B−3), E ρ⁻⁴ = 1/((B−3)(B−5))."""
    law = layer_jacobian(activation("identity"), size, log2_points=6)
    assert law.mean_square[0] == pytest.approx((size - 2) / (size - 3), rel=1e-12)
    assert law.spread[0] == pytest.approx((size - 1) * (size - 2) / ((size - 3) * (size - 5)), rel=1e-12)
    assert law.zero_share == pytest.approx(1 / (size - 1))


def test_zero_singular_values_of_relu() -> None:
    """A unit with m positive samples has rank min(m, B − 2): the shares of m by plain sampling, m binomial-like."""
    size, rng = 8, np.random.default_rng(0)
    y = rng.normal(size=(200_000, size))
    rank = np.minimum(np.sum(y > y.mean(axis=1, keepdims=True), axis=1), size - 2) / (size - 1)
    law = layer_jacobian(activation("relu"), size)
    error = np.std([each.zero_share for each in scrambles(law)], ddof=1) / np.sqrt(len(law.units))
    assert abs(law.zero_share - (1 - rank.mean())) < 5 * np.hypot(error, rank.std() / np.sqrt(len(rank)))


def test_density_shares_and_resolvent_are_of_one_law() -> None:
    law = layer_jacobian(activation("tanh"), 8, eps=0.2, log2_points=5)
    s = np.linspace(0.3, 4.0, 75)
    density, below = law.density(s), law.share_below(s)
    simpson = (density[:-2:2] + 4 * density[1::2] + density[2::2]) / 6 * (s[2] - s[0])
    assert np.allclose(np.cumsum(simpson), below[2::2] - below[0], atol=1e-3)
    assert law.share_below(np.array([20.0]))[0] == pytest.approx(1.0, abs=1e-9)
    # E 1/(s² + 1) = ∫ (share below s)·2s/(s² + 1)² ds, by Gauss–Legendre in u = s²/(s² + 1)
    u, weights = np.polynomial.legendre.leggauss(60)
    u = (u + 1) / 2
    assert law.resolvent(1.0) == pytest.approx(weights @ law.share_below(np.sqrt(u / (1 - u))) / 2, abs=1e-4)


def singular_values(
    name: str, gamma: float, size: int, eps: float, sigma_w: float, width: int, seed: int, depth: int = 12
) -> Float[np.ndarray, " values"]:
    """Of one layer of a sampled network, by autograd through BN and φ of each unit."""
    generator = torch.Generator().manual_seed(seed)
    phi = torch_activation(name).phi

    def unit(h: torch.Tensor) -> torch.Tensor:
        centred = h - h.mean()
        return phi(gamma * centred / torch.sqrt((centred**2).mean() + eps))

    def weights() -> torch.Tensor:
        return sigma_w * torch.randn(width, width, generator=generator, dtype=torch.float64) / width**0.5

    x = torch.randn(width, size, generator=generator, dtype=torch.float64)
    for _ in range(depth):
        h = weights() @ x
        x = torch.func.vmap(unit)(h)
    basis = torch.from_numpy(np.linalg.eigh(np.eye(size) - 1 / size)[1][:, 1:].copy())
    own = torch.einsum("ip,aij,jq->apq", basis, torch.func.vmap(torch.func.jacrev(unit))(h), basis)
    jacobian = torch.einsum("ba,apq->bpaq", weights(), own).reshape(width * (size - 1), -1)
    return torch.linalg.svdvals(jacobian).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gamma", "eps", "sigma_w"),
    [("relu", 1.0, 0.0, 1.0), ("identity", 1.0, 0.0, 1.0), ("tanh", 1.5, 0.0, 1.0), ("tanh", 1.0, 0.3, 1.3)],
)
def test_sampled_networks(name: str, gamma: float, eps: float, sigma_w: float) -> None:
    """Three smooth functions of all singular values and their shares, extrapolated to infinite width."""
    size, widths = 6, (16, 32, 64)
    law = layer_jacobian(activation(name, scale=gamma), size, eps=eps, sigma_w=sigma_w, log2_points=11)
    expected = [[each.resolvent(shift) for shift in SHIFTS] + list(each.share_below(EDGES)) for each in scrambles(law)]
    measured = []
    for width in widths:
        networks = [
            singular_values(name, gamma, size, eps, sigma_w, width, 1000 * width + seed)
            for seed in range(3200 // width)
        ]
        measured.append(
            [
                [np.mean(1 / (s**2 + shift)) for shift in SHIFTS] + [np.mean(s < edge) for edge in EDGES]
                for s in networks
            ]
        )
    for i, column in enumerate(np.array(expected).T):
        limit = extrapolate(widths, [mean_of(np.array(rows)[:, i]) for rows in measured])
        own = np.std(column, ddof=1) / np.sqrt(len(column)) + (1e-3 if i >= len(SHIFTS) else 0.0)  # as ATOMS says
        assert abs(limit.value - np.mean(column)) < 5 * np.hypot(limit.error, own), (i, limit, np.mean(column))


def test_what_does_not_exist() -> None:
    law = layer_jacobian(activation("relu"), 5, log2_points=4)
    assert np.isfinite(law.mean_square[0])
    assert np.isnan(law.spread[0])  # E 1/ρ⁴ diverges
    assert np.isnan(layer_jacobian(activation("relu"), 3, log2_points=4).mean_square[0])
    with pytest.raises(InputError, match=r"tanh.*eps 2: the signal collapses"):
        layer_jacobian(activation("tanh"), 8, eps=2.0)
    with pytest.raises(InputError, match=r"shift 0\.0: expected a number above 0"):
        law.resolvent(0.0)
