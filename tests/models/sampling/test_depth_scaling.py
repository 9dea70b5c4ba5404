"""Networks whose variances are scaled by their depth: the recurrence of that depth is their limit, and no other's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch

from phasemap.models.activations import torch_activation
from phasemap.models.residual import ResidualCell, ResidualStack
from phasemap.models.sampling.residual import ResidualSample, sample_residual_networks
from phasemap.theory.activations import activation
from phasemap.theory.residual.quantities import log_gradient_spread
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace
from phasemap.theory.residual.widths import parse_widths

P0, GAMMA0 = 1.2, 0.4
DEPTHS = (6, 20)
GIVEN = {"sigma_w": 1.2, "sigma_v": 1.5, "sigma_a": 0.7, "beta_b": 0.4}
SCALING = {"depth_scaling_w": 0.5, "depth_scaling_b": 0.3, "depth_scaling_v": 1.0, "depth_scaling_a": 0.8}
LOGARITHMS = ("p", "q", "s", "chi", "chi_w", "chi_v", "chi_a", "chi_b")
PARAMETERS = ("w", "v", "a", "b")


def trace_of(name: str, depth: int, scaled_by: int) -> ResidualTrace:
    """The recurrence of ``depth`` blocks with the variances of a network of depth ``scaled_by``."""
    sigmas = {
        f"sigma_{k}": GIVEN.get(f"sigma_{k}", 1.0) * scaled_by ** (-SCALING[f"depth_scaling_{k}"] / 2) for k in "wbva"
    }
    return residual_recurrence(activation(name), depth, p0=P0, gamma0=GAMMA0, **(GIVEN | sigmas))


@lru_cache
def sample(name: str, depth: int, width: int, networks: int) -> ResidualSample:
    cell = ResidualCell(depth=depth, seed=width, **GIVEN, **SCALING)
    widths = parse_widths(str(width), depth)
    return sample_residual_networks(cell, widths, name, networks=networks, p0=P0, gamma0=GAMMA0)


def extrapolated(name: str, depth: int, values: str) -> tuple[np.ndarray, np.ndarray]:
    """Means over networks [layers], linear in 1/N from two widths to 1/N = 0, with their standard errors.

    Of logarithms: E log differs from log E by half the variance, which is O(1/N) too.
    """
    narrow, wide = (getattr(sample(name, depth, width, 200), values) for width in (256, 512))
    mean, variance = 2 * wide.mean(0) - narrow.mean(0), 4 * wide.var(0, ddof=1) + narrow.var(0, ddof=1)
    return mean, np.sqrt(variance / 200)


@pytest.mark.parametrize("name", ["relu", "tanh"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_the_recurrence_of_its_own_depth_is_the_networks_limit(name: str, depth: int) -> None:
    """All quantities at all layers within 4 standard errors; with another depth's variances more than 10 away."""
    own = residual_recurrence(activation(name), depth, p0=P0, gamma0=GAMMA0, **GIVEN, **SCALING)
    other = trace_of(name, depth, DEPTHS[1 - DEPTHS.index(depth)])
    apart = 0.0
    for key in [f"log_{name}" for name in LOGARITHMS] + ["e", "c"]:
        mean, error = extrapolated(name, depth, key)
        exists = ~np.isnan(mean) & (error > 1e-12)
        assert exists.sum() >= depth - 1
        scores = (mean - getattr(own, key))[exists] / error[exists]
        assert np.abs(scores).max() <= 4, (key, scores)
        apart = max(apart, float(np.abs((mean - getattr(other, key))[exists] / error[exists]).max()))
    assert apart > 10


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_the_gradient_spread_is_that_of_sampled_networks(name: str) -> None:
    """max/min of the networks' mean squared gradients over blocks and parameters. A maximum of estimates is off by at
    most the largest of their errors, and so is the minimum."""
    depth = DEPTHS[1]
    found = [extrapolated(name, depth, f"log_chi_{kind}") for kind in PARAMETERS]
    means, errors = (np.stack([one[which][1:] for one in found]) for which in (0, 1))
    exact = residual_recurrence(activation(name), depth, p0=P0, gamma0=GAMMA0, **GIVEN, **SCALING)
    difference = means.max() - means.min() - log_gradient_spread(exact)[-1]
    assert abs(difference) <= 2 * 4 * errors.max()
    # and that says something: the ratio of χ_w alone is further off
    assert abs(means.max() - means.min() - exact.log_gradient_spread("w")[-1]) > 2 * 4 * errors.max()


def test_each_member_of_a_stack_is_scaled_by_its_own_depth() -> None:
    """The weights that training starts from: drawn as without scaling, times L^(−δ/2), L the member's own depth."""
    depths, width = (3, 7, 5), 16

    def stack(scaling: dict[str, float]) -> ResidualStack:
        cells = [ResidualCell(depth, seed, **GIVEN, **scaling) for seed, depth in enumerate(depths)]
        phi = torch_activation("relu")
        widths = parse_widths(str(width), max(depths))
        return ResidualStack(cells, inputs=4, widths=widths, classes=3, activation=phi, dtype=torch.float64)

    scaled, plain = stack(SCALING), stack({})
    own = [depths[place] for place in scaled.order.tolist()]
    assert own == sorted(depths, reverse=True)
    for letter in "wbva":
        for layer, (one, other) in enumerate(zip(getattr(scaled, letter), getattr(plain, letter), strict=True), 1):
            for member, depth in enumerate(own[: one.shape[0]]):
                assert depth >= layer
                factor = depth ** (-SCALING[f"depth_scaling_{letter}"] / 2)
                torch.testing.assert_close(one[member], other[member] * factor, rtol=1e-13, atol=0)
    torch.testing.assert_close(scaled.embedding, plain.embedding, rtol=0, atol=0)
    torch.testing.assert_close(scaled.read_out, plain.read_out, rtol=0, atol=0)
