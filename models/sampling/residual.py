"""Random residual networks of finite width at initialisation: both directions, two inputs, without training.

A weight matrix of a network that is run on two inputs is met by a pair of vectors on the way up and by one gradient on
the way down. So only its products with those are drawn: with the pair as Q·R (orthonormal columns Q), w·Q is Gaussian
whatever Q is, and given w·Q, the part of w orthogonal to Q is fresh when the gradient meets it. What is returned has
exactly the law of true backpropagation through real N × M matrices (a test holds the two together), at O(N) a layer, so
that N = 2048 and 100 layers cost a tenth of a second a network.

Gradients are divided by their norm at every layer, and activations too where φ has degree 1: any depth is in range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from phasemap.models.activations import torch_activation
from phasemap.models.residual import ResidualCell
from phasemap.theory.activations import activation as theory_activation
from phasemap.theory.errors import InputError
from phasemap.theory.residual.widths import Widths

MEMORY = 512 * 2**20  # bytes held at a time: networks are sampled in chunks
Values = Float[np.ndarray, "K layers"]


@dataclass(frozen=True)
class ResidualSample:
    """Measured quantities of K networks, float64 arrays [K, depth + 1] over l = 0, …, depth.

    The names and normalisations are those of ``theory.residual.trace.ResidualTrace``: p, q, χ of the first input,
    χ^(depth) = 1, every χ_• a mean over all entries of the parameter; e, c are cosines, s = |x − x′|²/2N. NaN where a
    quantity does not exist. Logarithms, since they exist at any depth; ``values`` undoes them.
    """

    log_p: Values
    log_q: Values
    log_s: Values
    e: Values
    c: Values
    log_chi: Values
    log_chi_w: Values
    log_chi_v: Values
    log_chi_a: Values
    log_chi_b: Values
    log_chi_pi: Values

    def values(self, name: str) -> Values:
        """``p``, ``q``, ``s``, ``e``, ``c``, ``chi``, ``chi_w``, … as numbers."""
        if hasattr(self, name):
            plain: Values = getattr(self, name)
            return plain
        with np.errstate(over="ignore"):
            exponential: Values = np.exp(getattr(self, f"log_{name}"))
        return exponential


def sample_residual_networks(
    cell: ResidualCell,
    widths: Widths,
    activation: str,
    *,
    networks: int,
    p0: float = 1.0,
    gamma0: float = 0.5,
    memory: int = MEMORY,
) -> ResidualSample:
    """Samples ``networks`` networks of one law on one pair of inputs with ⟨x²⟩ = p0 and ⟨x·x′⟩ = gamma0 exactly.

    The gradient at the last layer is Gaussian with mean square 1 (Axiom 1(b) of Deep Mean Field Theory). Every network
    has a random stream of its own, from ``cell.seed`` and its number, so chunks do not change it.

    Args:
        cell: depth, seed, and the parameters' variances. widths: of the same depth.
        activation: a name of ``phasemap.theory.activations.BUILT_IN``.
        memory: bound on the bytes of activations held at a time.

    Raises:
        InputError: sizes that do not fit, or an unknown activation.
    """
    mistakes = []
    if widths.depth != cell.depth:
        mistakes.append(f"widths of {widths.depth} blocks; expected {cell.depth} (the depth)")
    if networks < 1:
        mistakes.append(f"networks {networks}: expected at least 1")
    if not (p0 > 0 and abs(gamma0) <= p0):
        mistakes.append(f"p0 {p0}, gamma0 {gamma0}: expected p0 > 0 and gamma0 from −p0 to p0")
    if widths.activation[0] < 2:
        mistakes.append("widths: expected a first width of at least 2, to hold two inputs")
    if mistakes:
        raise InputError(*mistakes)
    held = 8 * sum(4 * n + 6 * m for n, m in zip(widths.activation[1:], widths.hidden, strict=True))
    size = max(1, memory // held)
    chunks = [
        _Chunk(cell, widths, activation, range(first, min(first + size, networks))).run(p0, gamma0)
        for first in range(0, networks, size)
    ]
    return ResidualSample(**{name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]})


@dataclass(frozen=True)
class _Map:
    """What is known of a random matrix W (K, out, in) after it has met a pair of vectors: W·Q = shadow."""

    basis: Float[Tensor, "K n rank"]
    shadow: Float[Tensor, "K m rank"]
    deviation: float

    def transposed(self, gradient: Float[Tensor, "K m"], fresh: Float[Tensor, "K n"]) -> Float[Tensor, "K n"]:
        """Wᵀ·g: what the shadow determines, and outside of Q a fresh Gaussian vector of size |g|."""
        known = (self.basis @ (self.shadow.mT @ gradient[:, :, None]))[:, :, 0]
        outside = fresh - (self.basis @ (self.basis.mT @ fresh[:, :, None]))[:, :, 0]
        return known + self.deviation * torch.linalg.vector_norm(gradient, dim=1, keepdim=True) * outside


@dataclass(frozen=True)
class _Block:
    """One layer's state on the way up, for the way down."""

    w: _Map
    v: _Map
    pi: _Map | None
    h: Float[Tensor, "K m"]
    y: Float[Tensor, "K m"]
    log_p_before: Float[Tensor, " K"]
    log_mean_square_y: Float[Tensor, " K"]


class _Chunk:
    """Networks that are sampled together; [K, …] throughout."""

    def __init__(self, cell: ResidualCell, widths: Widths, activation: str, members: range) -> None:
        self.cell, self.widths = cell, widths
        self.phi = torch_activation(activation)
        self.rescaled = theory_activation(activation).degree == 1
        self.streams = [np.random.default_rng([cell.seed, member]) for member in members]
        self.log_scale = torch.zeros(len(members), dtype=torch.float64)
        self.blocks: list[_Block] = []
        shape = (len(members), cell.depth + 1)
        names = ("log_p", "log_q", "log_s", "e", "c", *(f"log_chi{x}" for x in ("", "_w", "_v", "_a", "_b", "_pi")))
        self.found = {name: torch.full(shape, torch.nan, dtype=torch.float64) for name in names}

    def run(self, p0: float, gamma0: float) -> dict[str, NDArray[np.float64]]:
        x = self._inputs(p0, gamma0)
        self._measure(0, x)
        for layer in range(1, self.cell.depth + 1):
            x = self._up(layer, x)
            self._measure(layer, x)
        self._down()
        return {name: values.numpy() for name, values in self.found.items()}

    def _draw(self, *shape: int) -> Tensor:
        return torch.from_numpy(np.stack([stream.standard_normal(shape) for stream in self.streams]))

    def _inputs(self, p0: float, gamma0: float) -> Float[Tensor, "K n 2"]:
        n = self.widths.activation[0]
        q, _ = torch.linalg.qr(self._draw(n, 2))
        e = gamma0 / p0
        mix = torch.tensor([[1.0, e], [0.0, ((1 - e) * (1 + e)) ** 0.5]], dtype=torch.float64)
        return (n * p0) ** 0.5 * q @ mix

    def _multiply(self, pair: Float[Tensor, "K n 2"], rows: int, deviation: float) -> tuple[_Map, Tensor]:
        """A fresh matrix of entries N(0, deviation²/n) times the pair."""
        basis, triangle = torch.linalg.qr(pair)
        deviation = deviation / pair.shape[1] ** 0.5
        shadow = deviation * self._draw(rows, basis.shape[2])
        return _Map(basis, shadow, deviation), shadow @ triangle

    def _bias(self, rows: int, deviation: float) -> Float[Tensor, "K m 1"]:
        return deviation * self._draw(rows, 1) * torch.exp(-self.log_scale)[:, None, None]

    def _up(self, layer: int, x: Float[Tensor, "K n 2"]) -> Float[Tensor, "K m 2"]:
        before, after = self.widths.activation[layer - 1], self.widths.activation[layer]
        hidden = self.widths.hidden[layer - 1]
        if self.rescaled:
            size = x[:, :, 0].square().mean(1).sqrt()
            x, self.log_scale = x / size[:, None, None], self.log_scale + torch.log(size)
        log_p_before = self._log_mean_square(x[:, :, 0])
        w, h = self._multiply(x, hidden, self.cell.deviation("w", layer))
        h = h + self._bias(hidden, self.cell.deviation("b", layer))
        self.found["log_q"][:, layer] = self._log_mean_square(h[:, :, 0])
        self.found["c"][:, layer] = torch.cosine_similarity(h[:, :, 0], h[:, :, 1], dim=1)
        y = self.phi.phi(h)
        v, added = self._multiply(y, after, self.cell.deviation("v", layer))
        pi, carried = (None, x) if before == after else self._multiply(x, after, 1.0)
        first = y[:, :, 0].contiguous()
        self.blocks.append(_Block(w, v, pi, h[:, :, 0].contiguous(), first, log_p_before, self._log_mean_square(first)))
        return carried + added + self._bias(after, self.cell.deviation("a", layer))

    def _log_mean_square(self, x: Float[Tensor, "K n"]) -> Float[Tensor, " K"]:
        scale = self.log_scale if self.rescaled else 0.0
        return torch.log(x.square().mean(1)) + 2 * scale

    def _measure(self, layer: int, x: Float[Tensor, "K n 2"]) -> None:
        self.found["log_p"][:, layer] = self._log_mean_square(x[:, :, 0])
        self.found["log_s"][:, layer] = self._log_mean_square((x[:, :, 0] - x[:, :, 1]) / 2**0.5)
        self.found["e"][:, layer] = torch.cosine_similarity(x[:, :, 0], x[:, :, 1], dim=1)

    def _down(self) -> None:
        g, log_size = self._unit(self._draw(self.widths.activation[-1]))
        log_chi = torch.zeros_like(log_size)
        for layer in range(self.cell.depth, 0, -1):
            block = self.blocks[layer - 1]
            self.found["log_chi"][:, layer] = self.found["log_chi_a"][:, layer] = log_chi
            self.found["log_chi_v"][:, layer] = log_chi + block.log_mean_square_y
            g_y = block.v.transposed(g, self._draw(block.y.shape[1]))
            g_h = self.phi.backward(g_y, block.h, block.y)
            log_chi_b = log_chi + torch.log(g_h.square().mean(1))
            self.found["log_chi_b"][:, layer] = log_chi_b
            self.found["log_chi_w"][:, layer] = log_chi_b + block.log_p_before
            below = block.w.transposed(g_h, self._draw(block.w.basis.shape[1]))
            if block.pi is None:
                below = below + g
            else:
                below = below + block.pi.transposed(g, self._draw(block.pi.basis.shape[1]))
                self.found["log_chi_pi"][:, layer] = log_chi + block.log_p_before
            g, log_size = self._unit(below)
            log_chi = log_chi + log_size
        self.found["log_chi"][:, 0] = log_chi

    @staticmethod
    def _unit(g: Float[Tensor, "K n"]) -> tuple[Float[Tensor, "K n"], Float[Tensor, " K"]]:
        """The gradient with mean square 1, and the logarithm of the mean square that it had."""
        mean_square = g.square().mean(1)
        return g / mean_square.sqrt()[:, None], torch.log(mean_square)
