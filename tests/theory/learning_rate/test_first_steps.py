"""The chain of the first steps: against the same chain without its reduction, and where a formula gives its length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.theory.learning_rate.first_steps import BLOWN_UP, Chain, diverges, diverging_epsilon, lengths, sliced

CHAIN = Chain(np.full(8, 1 / 8), 0.2, 50.0, 64, 4, 32)


def _dense(chain: Chain, epsilon: float, steps: int, seed: int) -> list[float]:
    """One network with N × N matrices, weights updated layer by layer; the same random numbers."""
    random = np.random.default_rng(seed)
    n, k = chain.width, chain.classes
    read_out = random.standard_normal((n, k)) / np.sqrt(n)
    weights = [np.eye(n) for _ in chain.shares]
    found = []
    for step in range(steps + 1):
        signals = [np.eye(n)[0]]
        for weight in weights:
            signals.append(weight @ signals[-1])
        found.append(float(np.linalg.norm(signals[-1])))
        if step == steps:
            break
        powers = np.exp(chain.logit_scale * read_out.T @ signals[-1])
        residual = powers / powers.sum()
        residual = residual - random.multinomial(chain.batch_size, np.full(k, 1 / k)) / chain.batch_size
        gradient, below = read_out @ residual, []
        for weight in reversed(weights):
            below.append(gradient)
            gradient = weight.T @ gradient
        for weight, share, g, z in zip(weights, chain.shares, reversed(below), signals, strict=False):
            weight -= epsilon * share * np.outer(g, z)
        read_out -= epsilon * chain.read_out * np.outer(signals[-1], residual)
    return found


@pytest.mark.parametrize("epsilon", [0.3, 1.5, 3.0])
def test_nothing_happens_outside_of_the_span(epsilon: float) -> None:
    chain = replace(CHAIN, shares=np.array([0.5, 0.1, 0.1, 0.3]), logit_scale=3.0)
    found = lengths(chain, np.array([epsilon]), steps=6, seed=3)[:, 0]
    np.testing.assert_allclose(found, _dense(chain, epsilon, 6, 3), rtol=1e-9)


@pytest.mark.parametrize(("epsilon", "slices", "classes"), [(0.05, 1, 2), (1.0, 7, 10), (8.0, 12, 3)])
def test_the_first_step_adds_a_vector_of_length_epsilon(epsilon: float, slices: int, classes: int) -> None:
    """Width, batch and logits → ∞: r = e_c − 1/K, orthogonal to x̂, |r|² = 1 − 1/K; one step moves x̂ by −ε·r."""
    wide = Chain(np.full(slices, 1 / slices), 0.1, 1e12, 10**5, classes, 10**9)
    found = lengths(wide, np.array([epsilon]), steps=1)[1, 0]
    # R·r has a component of about N^(−1/2) along x̂, and a length that differs from |r| by as much
    exact = np.sqrt(1 + epsilon**2 * (1 - 1 / classes))
    assert found == pytest.approx(exact, abs=4 * epsilon * (1 + epsilon) / 10**2.5)


def test_small_steps_do_not_diverge_and_large_ones_do() -> None:
    epsilon = np.array([0.01, 0.1, 300.0, 1000.0])
    np.testing.assert_array_equal(diverges(CHAIN, epsilon), [False, False, True, True])
    grown = lengths(CHAIN, epsilon, steps=40)
    assert np.all(grown[0] == 1)
    assert np.all(np.isinf(grown[-1, 2:]))
    assert np.all(grown[np.isfinite(grown)] <= BLOWN_UP)


def test_the_search_finds_where_half_of_the_networks_diverge() -> None:
    found = diverging_epsilon(CHAIN, 0.5, networks=16, seed=1)
    assert diverges(CHAIN, np.full(16, found / 1.03), seed=1).mean() <= 0.5
    assert diverges(CHAIN, np.full(16, found * 1.03), seed=1).mean() > 0.5
    assert np.isinf(diverging_epsilon(replace(CHAIN, logit_scale=1e-3), 0.5, networks=2))


@pytest.mark.slow
def test_slices_and_steps_are_enough() -> None:
    """A network of 128 layers by its layers, by 32 slices, and for four times as many steps.

    The ε of 64 networks has a standard error: their spread, 10 to 90 % or 2.6 standard deviations, by √64.
    """
    parts = np.linspace(1, 2, 128)
    chain = Chain(sliced(parts), 0.1, 400.0, 64, 10, 32)
    low, usual, high = (np.log(diverging_epsilon(chain, share, networks=64)) for share in (0.1, 0.5, 0.9))
    layers = np.log(diverging_epsilon(replace(chain, shares=sliced(parts, 128)), 0.5, networks=64))
    longer = np.log(diverging_epsilon(chain, 0.5, networks=64, steps=160))
    error = 1.25 * (high - low) / 2.6 / 8  # of a median
    assert abs(layers - usual) < 4 * np.hypot(error, error)
    assert abs(longer - usual) < 4 * np.hypot(error, error)


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200), st.integers(1, 40))
def test_slices_add_up(parts: list[float], slices: int) -> None:
    shares = sliced(np.array(parts), slices)
    assert shares.sum() == pytest.approx(1)
    assert len(shares) <= slices
    assert shares.max() <= max(parts) / sum(parts) + 1 / slices + 1e-6
