"""The first steps of SGD at a large learning rate, in the few directions that they move: do they diverge?

Take a residual network whose inputs all reach the last layer in one direction x̂ (e → 1), and divide every layer's
signal and gradient by the length that they have at initialisation. Every step adds to each layer's weights a matrix of
rank one, (gradient there) × (signal there). So all that ever changes happens in the span of x̂ and the K read-out
vectors, in m = K + 1 dimensions. Layer s of S adds U_s to the identity there; at the start all U_s = 0:

    z_s = z_(s−1) + U_s·z_(s−1), z_0 = x̂        f = √(N·p)·Rᵀ·z_S        r = softmax(f) − (labels' share of each class)
    y_(s−1) = y_s + U_sᵀ·y_s,    y_S = R·r       U_s ← U_s − ε·share_s·y_s·z_(s−1)ᵀ,    R ← R − ε·share_R·z_S·rᵀ.

``share_s`` is a layer's part of the tangent kernel of two inputs, Θ = Σ_s Θ_s without the read-out, and

    ε = lr·Θ/√(N·p)

is how far the first step moves the last layer's activation, in units of its own length, for |r| = 1. Nothing is fitted:
R is drawn from N(0, 1/N), the labels are a batch's. What is left out: that inputs differ (e < 1), that φ bends, and
what lies outside the span, O(1/√N). The argument is that of Lewkowycz et al. 2020 ("The large learning rate phase of
deep learning"), who treat two linear layers and squared loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

SLICES = 32
STEPS = 40
BLOWN_UP = 1e6  # times the signal's length at initialisation
LOWEST, HIGHEST, HALVINGS = -2.0, 10.0, 8  # log2 of ε in the search; 12/2⁸ = 0.05 is its precision


@dataclass(frozen=True)
class Chain:
    """A network in the directions that training moves.

    Attributes:
        shares: of the layers in Θ, sum 1. read_out: Θ of the read-out in units of Θ.
        logit_scale: √(N·p). width: N. classes: K. batch_size: labels in a step.
    """

    shares: Float[np.ndarray, " slices"]
    read_out: float
    logit_scale: float
    width: int
    classes: int
    batch_size: int


def sliced(parts: Float[np.ndarray, " layers"], slices: int = SLICES) -> Float[np.ndarray, " slices"]:
    """Shares of at most ``slices`` runs of neighbouring layers of about equal weight: what a chain needs of a network."""
    place = np.minimum((slices * np.cumsum(parts) / parts.sum() - 1e-9).astype(int), slices - 1)
    shares = np.bincount(place, weights=parts) / parts.sum()
    return shares[shares > 0]


def diverging_epsilon(
    chain: Chain, share: float, *, networks: int = 32, steps: int = STEPS, seed: int = 0
) -> float:
    """The ε above which more than ``share`` of some random networks diverge; infinite above 2¹⁰.

    By bisection, the same networks and labels at each ε. A single network may be stable again beyond an ε at which it
    diverges, as these steps are chaotic; the share of many hardly.
    """

    def many(log_epsilon: float) -> bool:
        return bool(diverges(chain, np.full(networks, 2.0**log_epsilon), steps=steps, seed=seed).mean() > share)

    low, high = LOWEST, HIGHEST
    if not many(high):
        return np.inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if many(middle) else (middle, high)
    return float(2 ** ((low + high) / 2))


def diverges(
    chain: Chain, epsilon: Float[np.ndarray, " networks"], *, steps: int = STEPS, seed: int = 0
) -> Bool[np.ndarray, " networks"]:
    """Whether the signal of each network grows by ``BLOWN_UP`` within ``steps`` steps; one ε for each network."""
    return lengths(chain, epsilon, steps=steps, seed=seed)[-1] > BLOWN_UP


def lengths(
    chain: Chain, epsilon: Float[np.ndarray, " networks"], *, steps: int, seed: int = 0
) -> Float[np.ndarray, "steps networks"]:
    """|z_S|/|x̂| before each of the steps 1 … ``steps`` and, in one row more, after the last; infinite once blown up."""
    random = np.random.default_rng(seed)
    networks, slices, classes = len(epsilon), len(chain.shares), chain.classes
    read_out = np.stack([_read_out(random, chain.width, classes) for _ in epsilon])
    directions = read_out.shape[1]
    update = np.zeros((slices, networks, directions, directions))
    rate = epsilon * chain.shares[:, None]
    alive, found = np.ones(networks, bool), np.full((steps + 1, networks), np.inf)
    signal, gradient = np.zeros((2, slices + 1, networks, directions))
    for step in range(steps + 1):
        signal[0] = np.eye(directions)[0]
        with np.errstate(over="ignore", invalid="ignore"):
            for place in range(slices):
                signal[place + 1] = signal[place] + np.einsum("nij,nj->ni", update[place], signal[place])
            length = np.linalg.norm(signal[-1], axis=1)
        alive &= length <= BLOWN_UP  # not where it is NaN either
        if not alive.any():
            break
        found[step, alive] = length[alive]
        signal[:, ~alive] = 0.0
        logits = chain.logit_scale * np.einsum("nik,ni->nk", read_out, signal[-1])
        labels = random.multinomial(chain.batch_size, np.full(classes, 1 / classes), networks) / chain.batch_size
        residual = alive[:, None] * (_softmax(logits) - labels)
        gradient[-1] = np.einsum("nik,nk->ni", read_out, residual)
        for place in range(slices, 0, -1):
            gradient[place - 1] = gradient[place] + np.einsum("nij,ni->nj", update[place - 1], gradient[place])
        update -= rate[..., None, None] * gradient[1:, ..., None] * signal[:-1, :, None, :]
        update[:, ~alive] = 0.0
        read_out -= (epsilon * chain.read_out)[:, None, None] * signal[-1][:, :, None] * residual[:, None, :]
    return found


def _read_out(random: np.random.Generator, width: int, classes: int) -> Float[np.ndarray, "m K"]:
    """K vectors from N(0, 1/N), by their components along x̂ and along an orthonormal basis of what else they span."""
    drawn = random.standard_normal((width, classes)) / np.sqrt(width)
    return np.concatenate([drawn[:1], np.linalg.qr(drawn[1:], mode="r")])


def _softmax(logits: Float[np.ndarray, "networks K"]) -> Float[np.ndarray, "networks K"]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
