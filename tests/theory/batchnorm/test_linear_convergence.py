"""Linear networks forget the shape of inputs of rank C at the rate C/(C+2) (Thm F.2, Cor. F.3)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, sample_networks
from phasemap.models.sampling.rates import extrapolate, ratio_of
from phasemap.theory.batchnorm.closed_forms import forward, linear_convergence
from phasemap.theory.batchnorm.whole_batch.covariance import centre, input_gram, laplace_forward
from phasemap.theory.homogeneous import Homogeneous

B = 12
LINEAR = Homogeneous(1.0, 1.0, 1.0)
PRINTED = {3: 0.600, 6: 0.750, 11: 0.846}


def spectrum(gram: Float[np.ndarray, "b b"], rank: int) -> Float[np.ndarray, " rank"]:
    return np.linalg.eigvalsh(centre(gram))[B - rank :]


def axes(rank: int) -> Float[np.ndarray, "b rank"]:
    """An orthonormal basis of a subspace of the centred batch."""
    return np.linalg.qr(centre(np.random.default_rng(rank).normal(size=(B, B))))[0][:, :rank]


@pytest.mark.parametrize("rank", PRINTED)
def test_the_rate_of_the_forward_iteration(rank: int) -> None:
    gram = input_gram(axes(rank) @ np.diag(np.linspace(0.7, 1.3, rank)))
    for _ in range(25):
        before, gram = gram, laplace_forward(gram, LINEAR)
    values, old = spectrum(gram, rank), spectrum(before, rank)
    rate = float(linear_convergence(np.array([float(rank)]))[0])
    assert round(rate, 3) == PRINTED[rank]
    assert np.allclose(values, B / rank, atol=0.05)  # item 1: the limit
    gap = np.ptp(old) * rank / B  # the rate differs from its limit to first order in this
    assert np.ptp(values) / np.ptp(old) == pytest.approx(rate, abs=gap + 1e-6)


def test_at_full_rank_it_is_the_eigenvalue_at_bsb1() -> None:
    sizes = np.array([4.0, 8.0, 12.0, 64.0, 512.0])
    for eigenvalue in forward(LINEAR, sizes):
        assert np.allclose(eigenvalue, linear_convergence(sizes - 1), rtol=1e-13)


@settings(max_examples=25)
@given(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=8))
def test_every_layer_narrows_the_gap(values: list[float]) -> None:
    """Item 2: λ_max − λ_min shrinks, whatever the eigenvalues are, and their order stays."""
    rank = len(values)
    basis = axes(rank)
    following = laplace_forward((basis * np.array(values)) @ basis.T, LINEAR)
    own = np.diag(basis.T @ following @ basis)
    assert np.allclose((basis * own) @ basis.T, following, atol=1e-10)  # the same eigenvectors
    before = np.array(values) * B / np.sum(values)
    assert np.ptp(own) <= np.ptp(before) * (1 + 1e-9) + 1e-10
    assert np.all(np.diff(own[np.argsort(values)]) >= -1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("rank", PRINTED)
def test_sampled_networks(rank: int) -> None:
    """The fluctuations of the shape of Σ^G, regressed on those a layer below, at three widths."""
    basis = axes(rank)
    start = torch.from_numpy(basis * 10.0)
    widths, estimates = (128, 256, 512), []
    for width in widths:
        law = NetworkLaw(torch_activation("identity"), width, 12)
        sample = sample_networks(law, start, networks=200, seed=width, backward=False)
        shape = np.einsum("ip,klij,jq->klpq", basis, sample.forward[:, 3:], basis) - B / rank * np.eye(rank)
        products = np.einsum("klij,klij->k", shape[:, 1:], shape[:, :-1])
        estimates.append(ratio_of(products, np.einsum("klij,klij->k", shape[:, :-1], shape[:, :-1])))
    limit = extrapolate(widths, estimates)
    assert abs(limit.value - rank / (rank + 2)) < 4 * limit.error
    assert limit.error < 0.02
