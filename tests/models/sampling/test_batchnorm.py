"""Networks sampled without their weight matrices, against networks that have them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, bsb1_inputs, centring, sample_chunks, sample_networks
from phasemap.theory.errors import InputError

Array = NDArray[np.float64]
RELU = torch_activation("relu")


def dense_networks(
    inputs: torch.Tensor,
    width: int,
    depth: int,
    networks: int,
    seed: int,
    groups: int,
    weights: str,
    sigma_w: float,
    skip: bool,
) -> tuple[Array, Array]:
    """ReLU BN networks with real weight matrices, BN written out, and autograd through the whole: Σ^L (of h^L with skip
    connections) and ln |δ^l|²."""
    generator = torch.Generator().manual_seed(seed)
    rows = inputs.shape[0]
    x = inputs.expand(networks, -1, -1)
    hs = []
    for layer in range(depth):
        w = torch.randn(networks, x.shape[2], width, generator=generator, dtype=torch.float64)
        if weights == "orthogonal":
            q, r = torch.linalg.qr(w)
            w = q * torch.sign(torch.diagonal(r, dim1=1, dim2=2)).unsqueeze(1)
        else:
            w = w / x.shape[2] ** 0.5
        h = x @ (w if layer == 0 else sigma_w * w) + (hs[-1] if skip and hs else 0.0)
        h.requires_grad_() if layer == 0 else h.retain_grad()
        hs.append(h)
        parts = h.view(networks, groups, rows // groups, width)
        centred = parts - parts.mean(2, keepdim=True)
        x = torch.relu(0.8 * centred / torch.sqrt((centred**2).mean(2, keepdim=True) + 0.1) + 0.3).view_as(h)
    top = torch.randn(networks, rows, width, generator=generator, dtype=torch.float64)
    top = torch.from_numpy(np.kron(np.eye(groups), centring(rows // groups))) @ top
    (x * top).sum().backward()
    norms = torch.stack([(h.grad**2).sum((1, 2)).log() for h in hs], 1)
    shown = hs[-1] if skip else x
    return (shown @ shown.mT / width).detach().numpy(), norms.numpy()


@pytest.mark.parametrize(
    ("weights", "groups", "width", "skip"),
    [
        ("gaussian", 1, 10, False),
        ("gaussian", 2, 14, False),
        ("orthogonal", 2, 16, False),
        ("gaussian", 1, 10, True),
        ("orthogonal", 2, 16, True),
    ],
)
def test_law_is_that_of_networks_with_weight_matrices(weights: str, groups: int, width: int, skip: bool) -> None:
    """Very narrow networks, where everything that is O(1/N) is large: all means agree within 4 standard errors."""
    rows, depth, networks = 4 * groups, 3, 4000
    generator = np.random.default_rng(5)
    inputs = torch.from_numpy(generator.standard_normal((rows, width)))
    law = NetworkLaw(RELU, width, depth, gamma=0.8, beta=0.3, eps=0.1, sigma_w=1.3, weights=weights, skip=skip)
    sample = sample_networks(law, inputs, networks=networks, seed=1, groups=groups)
    covariance, norms = dense_networks(inputs, width, depth, networks, 2, groups, weights, 1.3, skip)
    for ours, theirs in (
        (sample.forward[:, -1], covariance),
        (sample.forward[:, -1] ** 2, covariance**2),
        (sample.log_gradient, norms),
        (sample.log_gradient**2, norms**2),
        (np.diff(sample.log_gradient, axis=1) ** 2, np.diff(norms, axis=1) ** 2),
    ):
        error = np.sqrt((ours.var(0) + theirs.var(0)) / networks)
        assert np.all(np.abs(ours.mean(0) - theirs.mean(0)) < 4 * error)


def test_more_rows_than_units() -> None:
    """Fewer units than samples: Q is square and nothing is left outside its rows."""
    sample = sample_networks(NetworkLaw(RELU, 5, 4), torch.randn(8, 3, dtype=torch.float64), networks=3)
    assert np.all(np.isfinite(sample.log_gradient))
    assert np.linalg.matrix_rank(sample.forward[0, 1], tol=1e-10) <= 5


def test_chunks_change_nothing() -> None:
    law = NetworkLaw(RELU, 32, 3)
    whole = sample_networks(law, bsb1_inputs(4, 32), networks=7, seed=3)
    per_network = 6 * 3 * 4 * 32 * 8
    chunks = list(sample_chunks(law, bsb1_inputs(4, 32), networks=7, seed=3, memory=2 * per_network))
    assert [len(chunk.forward) for chunk in chunks] == [2, 2, 2, 1]
    # to rounding: a batched matrix product may add up in another order for another batch
    np.testing.assert_allclose(np.concatenate([c.log_gradient for c in chunks]), whole.log_gradient, atol=1e-10)
    np.testing.assert_allclose(np.concatenate([c.forward for c in chunks]), whole.forward, atol=1e-10)


def test_seeds_are_independent_and_forward_does_not_need_backward() -> None:
    law, inputs = NetworkLaw(RELU, 32, 3), bsb1_inputs(4, 32)
    one = sample_networks(law, inputs, networks=2, seed=1)
    again = sample_networks(law, inputs, networks=2, seed=1, backward=False)
    other = sample_networks(law, inputs, networks=2, seed=2)
    np.testing.assert_array_equal(one.forward, again.forward)
    assert again.backward.shape == (2, 0, 4, 4)
    assert np.abs(one.forward[:, 1:] - other.forward[:, 1:]).max() > 0.01
    assert np.abs(one.forward[0, 1:] - one.forward[1, 1:]).max() > 0.01


def test_rescaled_backprop_survives_where_float32_overflows() -> None:
    """ReLU at B = 8, 400 layers: |δ|² grows by 1.8^400 ≈ 1e100, beyond float32; both dtypes give the same growth."""
    inputs = bsb1_inputs(8, 64)
    log: dict[torch.dtype, Array] = {}
    for dtype in (torch.float32, torch.float64):
        sample = sample_networks(NetworkLaw(RELU, 64, 400, dtype=dtype), inputs, networks=4, seed=1)
        log[dtype] = sample.log_gradient[:, 0] - sample.log_gradient[:, -1]
    assert np.all(log[torch.float32] > np.log(1e60))
    # trajectories part by chaos, so only the rates are the same: 4 standard errors of a mean over 4 × 400 layers
    assert np.abs(log[torch.float32].mean() - log[torch.float64].mean()) / 400 < 4 * 0.01


def test_float32_follows_float64_while_shallow() -> None:
    samples = [
        sample_networks(NetworkLaw(RELU, 64, 4, dtype=dtype), bsb1_inputs(8, 64), networks=4, seed=1)
        for dtype in (torch.float32, torch.float64)
    ]
    np.testing.assert_allclose(samples[0].log_gradient, samples[1].log_gradient, atol=1e-3)


def test_batch_of_two_has_no_gradient() -> None:
    """App. J: at B = 2 the output of BN is ±1 whatever h is, so only rounding passes back: it scales with the dtype."""
    typical = {
        dtype: np.median(
            sample_networks(
                NetworkLaw(torch_activation("tanh"), 128, 1, dtype=dtype), bsb1_inputs(2, 128), networks=50
            ).log_gradient
        )
        for dtype in (torch.float32, torch.float64)
    }
    resolution = 2 * np.log(torch.finfo(torch.float32).eps / torch.finfo(torch.float64).eps)
    assert typical[torch.float64] < np.log(1e-22)
    assert typical[torch.float32] - typical[torch.float64] == pytest.approx(resolution, abs=np.log(10))


def test_first_layer_is_gaussian_with_the_inputs_covariance() -> None:
    """With φ = identity and ε so large that BN only divides by √ε, Σ¹ = G·Σ⁰·G/ε in the mean."""
    generator = np.random.default_rng(0)
    inputs = torch.from_numpy(generator.standard_normal((4, 6)))
    law = NetworkLaw(torch_activation("identity"), 100, 1, eps=1e12)
    sigma = sample_networks(law, inputs, networks=400, backward=False).forward[:, 1] * 1e12
    g = centring(4)
    expected = g @ (inputs.numpy() @ inputs.numpy().T / 6) @ g
    assert np.all(np.abs(sigma.mean(0) - expected) < 4.5 * sigma.std(0) / np.sqrt(400))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": "uniform"}, "weights 'uniform'"),
        ({"weights": "orthogonal", "width": 15}, "orthogonal weights need"),
        ({"depth": 0}, "depth 0"),
    ],
)
def test_bad_law_is_refused(change: dict[str, object], message: str) -> None:
    law = NetworkLaw(**{"activation": RELU, "width": 16, "depth": 2, **change})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        sample_networks(law, bsb1_inputs(8, 16), networks=1)


def test_unequal_mini_batches_are_refused() -> None:
    with pytest.raises(InputError, match="groups 3"):
        sample_networks(NetworkLaw(RELU, 16, 2), bsb1_inputs(8, 16), networks=1, groups=3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_gpu_samples_from_the_same_distribution() -> None:
    """Not the same numbers: which sign a QR factorisation gives a row is its library's choice. Means over independent
    networks differ by 5 standard errors once in two million layers."""
    networks = 400
    cpu, gpu = (
        sample_networks(NetworkLaw(RELU, 64, 3), bsb1_inputs(8, 64), networks=networks, seed=seed, device=device)
        for seed, device in ((1, "cpu"), (2, "cuda"))
    )
    error = np.sqrt((cpu.log_gradient.var(0) + gpu.log_gradient.var(0)) / networks)
    assert np.all(np.abs(gpu.log_gradient.mean(0) - cpu.log_gradient.mean(0)) < 5 * error)
