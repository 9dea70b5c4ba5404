"""Which fixed points the length map has, which attract, and which is reached."""

from __future__ import annotations

import numpy as np
import pytest

from phasemap.theory.activations import Activation, activation
from phasemap.theory.mlp.fixed_lengths import Where, all_fixed
from phasemap.theory.mlp.setting import Setting
from phasemap.theory.mlp.solution import solve


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b", "where", "q"),
    [
        ("tanh", 0.9, 0.0, Where.ZERO, 0.0),
        ("tanh", 1.0, 0.0, Where.ZERO, 0.0),
        ("relu", 1.2, 0.0, Where.ZERO, 0.0),
        ("relu", 2**0.5, 0.0, Where.ANY, np.nan),
        ("relu", 2**0.5, 0.1, Where.INFINITE, np.inf),
        ("relu", 1.5, 0.0, Where.INFINITE, np.inf),
        ("identity", 1.0, 0.0, Where.ANY, np.nan),
        ("selu", 1.0, 0.0, Where.FINITE, 1.0),  # Klambauer et al. 2017
        ("gelu", 1.9, 0.1, Where.INFINITE, np.inf),
        ("tanh", 0.0, 0.3, Where.FINITE, 0.09),
        ("tanh", 0.0, 0.0, Where.ZERO, 0.0),
    ],
)
def test_where_deep_layers_are(name: str, sigma_w: float, sigma_b: float, where: Where, q: float) -> None:
    found = solve(name, sigma_w, sigma_b)
    assert found.where == where
    assert float(found.q_star) == pytest.approx(q, rel=1e-12, nan_ok=True)


def test_two_fixed_points_and_what_the_data_decide() -> None:
    """gelu: short inputs settle at a small q*, long ones grow without bound; between is a q* that repels."""
    low, high = all_fixed(activation("gelu"), Setting.of(1.42, 0.01))
    assert low[1] < 1 < high[1]
    sizes = (np.array([0.5, 1.0, 2.0]) * high[0] - 0.01**2) / 1.42**2 * np.array([1, 1 - 1e-6, 1])
    found = solve("gelu", 1.42, 0.01, q0=sizes)
    assert found.where.tolist() == [Where.FINITE, Where.FINITE, Where.INFINITE]
    assert found.q_star[0] == pytest.approx(low[0], rel=1e-12)


def test_two_fixed_points_between_two_points_of_the_grid() -> None:
    """Just before they meet and vanish, as σ_b grows."""
    phi = activation("gelu")

    def count(sigma_b: float) -> int:
        return len(all_fixed(phi, Setting.of(1.45, sigma_b)))

    low, high = 0.05, 1.0
    assert (count(low), count(high)) == (2, 0)
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if count(middle) == 2 else (low, middle)
    (first, rate), (second, other) = all_fixed(phi, Setting.of(1.45, low))
    assert second / first < 1.01  # much nearer than two points of the grid
    assert rate < 1 < other
    assert solve(phi, 1.45, low, q0=1e-3).where == Where.FINITE
    assert solve(phi, 1.45, high, q0=1e-3).where == Where.INFINITE


@pytest.mark.parametrize("sigma_w", [0.9, 1.0, 1.01, 3.0, 9.0, 1e3])
def test_a_map_that_is_not_increasing(sigma_w: float) -> None:
    """φ = z·e^(−z²/2) has E φ² = q/(1 + 2q)^(3/2), so q* = (σ_w^(4/3) − 1)/2, from where the map falls."""
    phi = Activation("bump", lambda z: z * np.exp(-z * z / 2), lambda z: (1 - z * z) * np.exp(-z * z / 2), label="bump")
    found = solve(phi, sigma_w, q0=[1e-3, 1.0, 1e5])
    q = max((sigma_w ** (4 / 3) - 1) / 2, 0.0)
    np.testing.assert_allclose(found.q_star, q, rtol=1e-9)
    np.testing.assert_allclose(found.length_rate, min(1 - 3 * q / (1 + 2 * q), sigma_w**2), rtol=1e-9)
