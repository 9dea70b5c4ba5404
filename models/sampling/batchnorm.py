"""Random networks of finite width with batch normalisation: forward and backward covariances, without training.

At initialisation each weight matrix meets its R input rows once on the way up and R gradient rows once on the way down,
so only those R-dimensional shadows of it are drawn. With x = A·Q (orthonormal rows Q) the product Q·W is Gaussian, or a
uniform frame, whatever Q is; and given it, the part of W that the gradient sees outside the rows of Q is fresh. The law
of what is returned is exactly that of a network with real N × N weights, at R·N numbers a layer instead of N².

Shapes: K networks, R = groups·B rows (samples of all mini-batches), N units, D inputs, L layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from phasemap.models.activations import TorchActivation
from phasemap.models.batchnorm_layer import batchnorm_activation
from phasemap.theory.errors import InputError

FORWARD, BACKWARD, TOP = 10, 11, 12  # purposes of a seed, beside those of phasemap.models.initial_weights
MEMORY = 256 * 2**20  # bytes of activations held at a time: networks are sampled in chunks of this size


@dataclass(frozen=True)
class NetworkLaw:
    """The law of a random network: ``depth`` layers of Linear (no bias) → BN (γ, β, ε) → φ, all of one width.

    Attributes:
        weights: ``gaussian``, N(0, σ_w²/fan_in) (1/fan_in in the first layer), or ``orthogonal``, Haar times σ_w.
        skip: whether h^l = h^(l−1) + W·φ(BN(h^(l−1))) from the second layer on, in place of W·φ(BN(h^(l−1))).
        dtype: of the simulation; results are float64.
    """

    activation: TorchActivation
    width: int
    depth: int
    gamma: float = 1.0
    beta: float = 0.0
    eps: float = 0.0
    sigma_w: float = 1.0
    weights: str = "gaussian"
    skip: bool = False
    dtype: torch.dtype = torch.float64


@dataclass(frozen=True)
class Sample:
    """Covariances of K sampled networks, in float64.

    Attributes:
        forward: Σ^l = x^l·x^lᵀ/N for l = 0 … L; x⁰ is the input (divided by D), x^l the output of φ in layer l, or h^l
            in networks with skip connections.
        backward: Π^l = δ^l·δ^lᵀ/|δ^l|² for l = 1 … L, with δ^l = dLoss/dh^l. Empty without a backward pass.
        log_gradient: ln |δ^l|² for l = 1 … L. −∞ where the gradient is zero.
    """

    forward: Float[np.ndarray, "K L1 R R"]
    backward: Float[np.ndarray, "K L R R"]
    log_gradient: Float[np.ndarray, "K L"]


def sample_networks(
    law: NetworkLaw,
    inputs: Float[Tensor, "R D"],
    *,
    networks: int,
    seed: int = 0,
    groups: int = 1,
    top: Float[np.ndarray, "R R"] | None = None,
    backward: bool = True,
    device: str | torch.device = "cpu",
    memory: int = MEMORY,
) -> Sample:
    """Samples networks that share their inputs; every network has a random stream of its own, wherever it runs.

    Args:
        inputs: the mini-batches, one below the other, the same for every network (``bsb1_inputs`` for a neutral start).
        groups: number of mini-batches; each is normalised by itself, all pass through the same weights.
        top: square root C of the covariance C·Cᵀ of the gradient dLoss/dx^L over the rows. Default: centred in every
            mini-batch, and independent between them.
        backward: whether to propagate gradients.
        memory: bound on the bytes of activations held at a time.

    Raises:
        InputError: sizes that do not fit, or a weight law that does not exist.
    """
    chunks = list(
        sample_chunks(
            law,
            inputs,
            networks=networks,
            seed=seed,
            groups=groups,
            top=top,
            backward=backward,
            device=device,
            memory=memory,
        )
    )
    return Sample(
        np.concatenate([chunk.forward for chunk in chunks]),
        np.concatenate([chunk.backward for chunk in chunks]),
        np.concatenate([chunk.log_gradient for chunk in chunks]),
    )


def sample_chunks(
    law: NetworkLaw,
    inputs: Float[Tensor, "R D"],
    *,
    networks: int,
    seed: int = 0,
    groups: int = 1,
    top: Float[np.ndarray, "R R"] | None = None,
    backward: bool = True,
    device: str | torch.device = "cpu",
    memory: int = MEMORY,
) -> Iterator[Sample]:
    """``sample_networks`` in chunks of networks that keep to ``memory``, for results too large to hold together."""
    _check(law, inputs, networks, groups)
    rows = inputs.shape[0]
    root = np.kron(np.eye(groups), centring(rows // groups)) if top is None else top
    held = 6 * law.depth if backward else 6  # arrays of R × N kept a layer: h, normalised h, φ(z), z, Q, Q·W
    size = max(1, memory // (held * rows * max(law.width, inputs.shape[1]) * law.dtype.itemsize))
    for first in range(0, networks, size):
        stack = _Stack(law, range(first, min(first + size, networks)), seed, groups, torch.device(device))
        forward = stack.up(inputs, keep=backward)
        if backward:
            yield Sample(forward, *stack.down(torch.from_numpy(root)))
        else:
            yield Sample(forward, np.empty((len(stack), 0, rows, rows)), np.empty((len(stack), 0)))


def centring(batch_size: int) -> Float[np.ndarray, "B B"]:
    """The projector G = I − 11ᵀ/B."""
    return np.eye(batch_size) - 1 / batch_size


def bsb1_inputs(rows: int, width: int, dtype: torch.dtype = torch.float64) -> Float[Tensor, "R N"]:
    """Inputs with Σ⁰ = I exactly: orthogonal samples, and mini-batches orthogonal to each other.

    Raises:
        InputError: more rows than dimensions.
    """
    if rows > width:
        raise InputError(f"{rows} samples do not fit orthogonally into {width} dimensions: expected a larger width")
    return width**0.5 * torch.eye(rows, width, dtype=dtype)


def _check(law: NetworkLaw, inputs: Tensor, networks: int, groups: int) -> None:
    rows, dimension = inputs.shape
    mistakes = []
    if law.weights not in ("gaussian", "orthogonal"):
        mistakes.append(f"weights {law.weights!r}: expected gaussian or orthogonal")
    if groups < 1 or rows % groups or rows // groups < 2:
        mistakes.append(f"groups {groups}: expected equal mini-batches of at least 2 samples from {rows} rows")
    if law.depth < 1 or law.width < 1 or networks < 1:
        mistakes.append(f"depth {law.depth}, width {law.width}, networks {networks}: expected at least 1 of each")
    if law.weights == "orthogonal" and (dimension != law.width or law.width < 2 * rows):
        mistakes.append(
            f"width {law.width}: orthogonal weights need inputs of that dimension ({dimension}), twice the {rows} rows"
        )
    if mistakes:
        raise InputError(*mistakes)


class _Stack:
    """One chunk of networks on its way up and down."""

    def __init__(self, law: NetworkLaw, members: range, seed: int, groups: int, device: torch.device) -> None:
        self.law, self.members, self.seed, self.groups, self.device = law, members, seed, groups, device
        ones = torch.ones(len(members), law.width, dtype=law.dtype, device=device)
        self.gamma, self.beta = law.gamma * ones, law.beta * ones
        self.eps = law.eps * ones[:, 0]
        self.kept: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []  # h, x = φ(BN(h)), Q, Q·W of each layer

    def __len__(self) -> int:
        return len(self.members)

    def draw(self, purpose: int, layer: int, rows: int, width: int) -> Tensor:
        """Standard Gaussian numbers (K, rows, width), drawn by NumPy: the same on every device and in both dtypes."""
        each = [
            np.random.default_rng([self.seed, purpose, layer, network]).standard_normal((rows, width))
            for network in self.members
        ]
        return torch.from_numpy(np.stack(each)).to(self.device, self.law.dtype)

    def up(self, inputs: Tensor, *, keep: bool) -> Float[np.ndarray, "K L1 R R"]:
        law = self.law
        x = inputs.to(self.device, law.dtype).expand(len(self), -1, -1)
        covariances = [_covariance(x)]
        h = torch.zeros((), dtype=law.dtype, device=self.device)
        for layer in range(law.depth):
            # x = A·Q; Householder's QR keeps the relative accuracy of every row, however unequal the rows are
            basis, a = torch.linalg.qr(x.mT)
            shadow = self.draw(FORWARD, layer, a.shape[1], law.width)
            if law.weights == "orthogonal":
                shadow = _haar_rows(shadow)
            else:
                shadow /= x.shape[2] ** 0.5
            if layer > 0:
                shadow *= law.sigma_w
            below = h.detach() if law.skip else 0.0
            h = (torch.matmul(a.mT, shadow) + below).requires_grad_(keep)
            with torch.set_grad_enabled(keep):
                x, _, _ = batchnorm_activation(
                    h, self.gamma, self.beta, self.eps, groups=self.groups, activation=law.activation
                )
            if keep:
                self.kept.append((h, x, basis.mT, shadow))
            x = x.detach()
            covariances.append(_covariance(h.detach() if law.skip else x))
        return _numpy(torch.stack(covariances, 1))

    def down(self, top: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Backprop, divided by the gradient's norm at every layer: no overflow at any depth in either dtype."""
        law = self.law
        d_x = torch.matmul(top.to(self.device, law.dtype), self.draw(TOP, law.depth, top.shape[0], law.width))
        d_h = torch.zeros_like(d_x)
        log_norm = torch.zeros(len(self), dtype=torch.float64, device=self.device)
        logs, covariances = [], []
        for layer in reversed(range(law.depth)):
            h, x, basis, shadow = self.kept[layer]
            above = d_h if law.skip else 0.0
            d_h = torch.autograd.grad(x, h, d_x)[0] + above
            norm = torch.linalg.vector_norm(d_h, dim=(1, 2), keepdim=True)
            d_h = d_h / torch.where(norm > 0, norm, 1.0)
            log_norm = log_norm + 2 * torch.log(norm.double()).flatten()
            logs.append(log_norm)
            covariances.append(torch.matmul(d_h, d_h.mT))
            if layer > 0:
                d_x = self._transposed(d_h, basis, shadow, layer)
        self.kept.clear()
        return _numpy(torch.stack(covariances[::-1], 1)), _numpy(torch.stack(logs[::-1], 1))

    def _transposed(self, d_h: Tensor, basis: Tensor, shadow: Tensor, layer: int) -> Tensor:
        """δ·Wᵀ given Q·W: what Q·W determines, and a fresh draw orthogonal to the rows of Q."""
        law = self.law
        known = torch.matmul(torch.matmul(d_h, shadow.mT), basis)
        if law.weights == "gaussian":
            c = torch.linalg.qr(d_h.mT, mode="r").R.mT  # |δ|² = C·Cᵀ: δ·W̃ᵀ ~ C·(Gaussian)
            fresh = self.draw(BACKWARD, layer, c.shape[2], law.width) * (law.sigma_w / law.width**0.5)
            return known + torch.matmul(c, fresh - torch.matmul(torch.matmul(fresh, basis.mT), basis))
        frame = shadow / law.sigma_w
        rest = d_h - torch.matmul(torch.matmul(d_h, frame.mT), frame)  # the part of δ outside the rows of Q·W …
        c = torch.linalg.qr(rest.mT, mode="r").R.mT
        fresh = self.draw(BACKWARD, layer, c.shape[2], law.width)
        fresh = fresh - torch.matmul(torch.matmul(fresh, basis.mT), basis)  # … is carried outside the rows of Q
        return known + law.sigma_w * torch.matmul(c, _haar_rows(fresh))


def _haar_rows(gaussian: Tensor) -> Tensor:
    """Uniformly distributed orthonormal rows with the row space of a Gaussian matrix (K, R, N)."""
    q, r = torch.linalg.qr(gaussian.mT)
    return (q * torch.sign(torch.diagonal(r, dim1=1, dim2=2)).unsqueeze(1)).mT


def _covariance(x: Tensor) -> Tensor:
    return torch.matmul(x, x.mT) / x.shape[2]


def _numpy(x: Tensor) -> NDArray[np.float64]:
    return x.detach().to("cpu", torch.float64).numpy()
