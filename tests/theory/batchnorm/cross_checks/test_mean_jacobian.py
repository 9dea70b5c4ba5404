"""The cross-batch rate from the mean Jacobian equals the one from E[B_φ(h)·hᵀ]."""

from __future__ import annotations

import pytest

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.cross_checks.mean_jacobian import cross_batch_rate_from_jacobian
from phasemap.theory.batchnorm.eigenvalues import cross_batch_rate
from phasemap.theory.batchnorm.fixed_point import fixed_point
from phasemap.theory.batchnorm.moments.table import choose_method


@pytest.mark.parametrize("batch_size", [4, 8, 64])
@pytest.mark.parametrize("eps", [0.0, 0.3])
@pytest.mark.parametrize(("name", "shift"), [("tanh", 0.0), ("erf", 0.5), ("relu", 1.0), ("leaky-relu", 0.0)])
def test_both_ways_agree(name: str, shift: float, eps: float, batch_size: int) -> None:
    phi = activation(name, shift=shift)
    point, coarse = fixed_point(phi, batch_size, eps, 1.2, choose_method(phi, batch_size))
    assert point.moments is not None
    assert point.weights is not None
    assert coarse.moments is not None
    assert coarse.weights is not None
    rate = cross_batch_rate(point.moments, point.weights, batch_size, point.mu, 1.2)
    rough = cross_batch_rate(coarse.moments, coarse.weights, batch_size, coarse.mu, 1.2)
    other = cross_batch_rate_from_jacobian(point.moments, point.weights, 1.2)
    assert other == pytest.approx(rate, abs=10 * abs(rate - rough) + 1e-12)  # the computation's own error
