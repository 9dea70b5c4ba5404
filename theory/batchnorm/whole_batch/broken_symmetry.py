"""Fixed points that break the symmetry of the batch: BSB2, a main block of B₁ samples and the rest (App. J, K).

Σ = ((d₁, f₁ off the diagonal), c between, (d₂, f₂)). Σ^G then has three eigenvalues, d₁−f₁ and d₂−f₂ on contrasts
within a block and one on the contrast between blocks (Thm K.2), so that V_Bφ keeps the form and needs low-dimensional
integrals only: over the ratios of the three components, and over one cosine within each block. The quadrature is
accurate to rounding for smooth φ and to about 1e-5 for kinked φ that are not homogeneous.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.whole_batch.covariance import Gram, laplace_forward
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous
from phasemap.theory.integrals.sphere import legendre, orthonormal, piecewise_rule

OUTER_STEP = 0.3
INNER_NODES = 96
INNER_TERMS = 48


@dataclass(frozen=True)
class BSB2:
    """A BSB2 matrix: diagonals d, off-diagonals f of the two blocks (main first), c between them (Defn K.1)."""

    d1: float
    f1: float
    d2: float
    f2: float
    c: float
    main_block: int
    batch_size: int

    def matrix(self) -> Gram:
        """As a B×B array, the main block first."""
        b1, b = self.main_block, self.batch_size
        gram = np.full((b, b), self.c)
        gram[:b1, :b1], gram[b1:, b1:] = self.f1, self.f2
        gram[np.arange(b), np.arange(b)] = np.where(np.arange(b) < b1, self.d1, self.d2)
        return gram

    @staticmethod
    def of(gram: Gram, main_block: int) -> BSB2:
        """Block averages of a matrix."""

        def averages(block: Gram) -> tuple[float, float]:
            size = len(block)
            diagonal = float(np.mean(np.diag(block)))
            return diagonal, float((block.sum() - size * diagonal) / (size * (size - 1))) if size > 1 else diagonal

        d1, f1 = averages(gram[:main_block, :main_block])
        d2, f2 = averages(gram[main_block:, main_block:])
        return BSB2(d1, f1, d2, f2, float(np.mean(gram[:main_block, main_block:])), main_block, len(gram))

    @property
    def eigenvalues(self) -> tuple[float, float, float]:
        """Of Σ^G on contrasts within the main block, within the rest, and between the two (Thm K.2)."""
        b1, b2 = self.main_block, self.batch_size - self.main_block
        e1 = self.d1 - self.f1 if b1 > 1 else 0.0
        e2 = self.d2 - self.f2 if b2 > 1 else 0.0
        between = ((self.d2 - self.f2) * b1 + (self.d1 - self.f1) * b2 + (self.f1 + self.f2 - 2 * self.c) * b1 * b2) / (
            b1 + b2
        )
        return e1, e2, between

    @property
    def is_bsb1(self) -> bool:
        """Whether the two blocks have become alike."""
        scale = max(abs(self.d1), abs(self.d2), 1e-300)
        return abs(self.d1 - self.d2) < 1e-6 * scale and abs(self.f1 - self.c) < 1e-6 * scale


def closed_form(activation: Activation, batch_size: int) -> BSB2:
    """The unique fixed point with a single dominant sample (Thm K.5), at ε = 0, σ_w = 1. Its Σ^G has rank one."""
    root = np.sqrt(batch_size - 1)
    high, low = activation.phi(np.array([root, -root])), activation.phi(np.array([-1 / root, 1 / root]))
    d, c, b = np.mean(high**2), np.mean(high * low), np.mean(low**2)
    return BSB2(float(d), float(d), float(b), float(b), float(c), 1, batch_size)


def step(gram: BSB2, activation: Activation) -> BSB2:
    """V_Bφ of a BSB2 matrix at ε = 0, σ_w = 1: by the Laplace integral for homogeneous φ, else by quadrature.

    Raises:
        InputError: all eigenvalues of Σ^G vanish.
    """
    phi = homogeneous(activation)
    rank = sum(e > 1e-14 * max(gram.eigenvalues) for e in gram.eigenvalues)
    if phi is not None and rank > 1:
        return BSB2.of(laplace_forward(gram.matrix(), phi), gram.main_block)
    return _quadrature(gram, activation)


def _components(gram: BSB2) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Points and weights for (√e₁ρ₁, √e₂ρ₂, √e_q·g)/|y|, the lengths of y's three components relative to |y|."""
    e = np.array(gram.eigenvalues)
    freedom = np.array([gram.main_block - 1, gram.batch_size - gram.main_block - 1, 1])
    active = [i for i in range(3) if e[i] > 1e-14 * e.max() and freedom[i] > 0]
    if not active or e.max() <= 0:
        raise InputError("the samples of the batch are equal, so their batch variance is 0")
    # log ratios s of the radii to that of the last active component: density ∝ Π e^(n_i s_i)/(Σ e^(2s))^(n/2)
    free = active[:-1]
    reach = 40.0 / min(freedom[i] for i in active)
    axis = np.arange(-min(reach, 40.0), min(reach, 40.0) + OUTER_STEP, OUTER_STEP)
    grids = np.meshgrid(*[axis for _ in free], indexing="ij")
    s = np.zeros((grids[0].size if free else 1, 3))
    for i, grid in zip(free, grids, strict=True):
        s[:, i] = grid.ravel()
    top = np.max(s[:, active], axis=1)
    log_norm = np.log(np.sum(np.exp(2 * (s[:, active] - top[:, None])), axis=1)) / 2 + top
    log_weight = s[:, active] @ freedom[active] - freedom[active].sum() * log_norm
    weight = np.exp(log_weight - log_weight.max())
    keep = weight > 1e-18
    length = np.zeros_like(s)
    length[:, active] = np.exp(s[:, active] - log_norm[:, None]) * np.sqrt(e[active])
    length /= np.linalg.norm(length, axis=1, keepdims=True)
    return length[keep], weight[keep] / weight[keep].sum()


def _within(
    activation: Activation, size: int, radius: Float[np.ndarray, " n"], centre: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """E φ(z₁), E φ(z₁)², E φ(z₁)φ(z₂) for z_i = radius·√((size−1)/size)·x_i + centre within a block of ``size``."""
    if size == 1:
        f = activation.phi(centre)
        return f, f * f, f * f
    reach = radius * np.sqrt((size - 1) / size)
    if size == 2:
        high, low = activation.phi(centre + reach), activation.phi(centre - reach)
        return (high + low) / 2, (high**2 + low**2) / 2, high * low
    x, w = piecewise_rule(size - 1, np.zeros(0), INNER_NODES)
    f = activation.phi(reach[:, None] * x + centre[:, None])
    coefficients = f @ (orthonormal(size - 1, x, INNER_TERMS) * w).T
    return f @ w, (f * f) @ w, (coefficients**2) @ legendre(size - 1, -1 / (size - 1), INNER_TERMS)


def _quadrature(gram: BSB2, activation: Activation) -> BSB2:
    b, b1 = gram.batch_size, gram.main_block
    b2 = b - b1
    lengths, weights = _components(gram)
    lengths = lengths * np.sqrt(b)
    total = np.zeros(5)
    for sign in (1.0, -1.0):
        between = sign * lengths[:, 2] / np.sqrt(b)
        mean1, square1, pair1 = _within(activation, b1, lengths[:, 0], between * np.sqrt(b2 / b1))
        mean2, square2, pair2 = _within(activation, b2, lengths[:, 1], -between * np.sqrt(b1 / b2))
        total += [weights @ v for v in (square1, pair1, square2, pair2, mean1 * mean2)]
    d1, f1, d2, f2, c = total / 2
    return BSB2(d1, f1, d2, f2, c, b1, b)


@dataclass(frozen=True)
class Limit:
    """Where the iteration went: the matrix, whether it converged, in how many steps, and its last relative change."""

    gram: BSB2
    converged: bool
    steps: int
    change: float


def fixed_point(
    activation: Activation, batch_size: int, main_block: int, *, start: BSB2 | None = None, steps: int = 500
) -> Limit:
    """Iterates the block-symmetric ansatz from a start with a dominant main block (ε = 0, σ_w = 1).

    The limit may be BSB1 (``gram.is_bsb1``): then no BSB2 with this main block attracts from that start.

    Raises:
        InputError: a main block outside [1, B−1].
    """
    if not 1 <= main_block < batch_size:
        raise InputError(f"main block {main_block}: expected 1 to {batch_size - 1}, below the batch size")
    gram = start or BSB2(1.0, 0.1, 0.02, 0.01, 0.0, main_block, batch_size)
    change = np.inf
    for count in range(1, steps + 1):
        following = step(gram, activation)
        before, after = (np.array(astuple(g)[:5]) for g in (gram, following))
        change = float(np.max(np.abs(after - before)) / np.max(np.abs(after)))
        gram = following
        if change < 1e-12:
            return Limit(gram, True, count, change)
    return Limit(gram, False, steps, change)
