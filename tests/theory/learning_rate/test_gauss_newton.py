"""The largest eigenvalue of the Gauss–Newton matrix against the matrix itself, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from phasemap.theory.learning_rate.gauss_newton import largest_eigenvalue, of_independent_outputs, uniform_eigenvalue


def test_it_is_the_hessian_of_a_linear_model() -> None:
    """For f linear in its parameters G is the Hessian of the loss, which autograd gives."""
    random = torch.Generator().manual_seed(0)
    jacobian = torch.randn(5, 3, 7, generator=random, dtype=torch.float64)
    labels = torch.tensor([0, 2, 1, 1, 0])

    def loss(parameters: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(jacobian @ parameters, labels)

    at = torch.randn(7, generator=random, dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(loss, at)
    kernel = torch.einsum("iap,jbp->iajb", jacobian, jacobian)
    found = largest_eigenvalue(kernel.numpy(), (jacobian @ at).numpy())
    assert found == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=1e-10)


def test_uniform_predictions() -> None:
    kernel = np.full((6, 6), 2.0) + 3.0 * np.eye(6)
    found = largest_eigenvalue(of_independent_outputs(kernel, 4), np.full((6, 4), 7.0))
    assert found == pytest.approx(uniform_eigenvalue(5.0, 2.0, 6, 4), rel=1e-12)


def test_confident_predictions_have_no_curvature_and_a_tie_has_the_most() -> None:
    kernel = of_independent_outputs(np.ones((3, 3)), 3)
    assert largest_eigenvalue(kernel, np.tile([40.0, 0.0, 0.0], (3, 1))) < 1e-15
    assert largest_eigenvalue(kernel, np.tile([40.0, 40.0, 0.0], (3, 1))) == pytest.approx(0.5)
