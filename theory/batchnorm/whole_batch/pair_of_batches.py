"""The covariance between two mini-batches after one BN layer, for homogeneous φ: the Laplace method of Lemma H.5.

E[B_φ(y)·B_φ(y′)ᵀ] = B^α/Γ(α/2)²·∫ds∫dt (st)^(α/2−1)·e^(−(s+t)Bε)·det(I+2Ω)^(−1/2)·V_φ(P)_yy′ with the damped covariance
P = Σ̃^G·(I+2D²·Σ̃^G)⁻¹, D² = sI ⊕ tI, Ω = D·Σ̃^G·D (Eq. 56, Yang et al. 2019, extended to ε > 0).
The backward operator E[B_φ′(y)ᵀ·Π·B_φ′(y′)] is the adjoint of that integral's derivative by the covariance between y
and y′, because y and y′ enter through functions of their own (Price's theorem).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import Homogeneous

Block = Float[np.ndarray, "batch batch"]
Stack = Float[np.ndarray, "s batch batch"]
Row = Float[np.ndarray, "s batch"]

STEP = 0.3  # of the trapezoid rule; halved, results change by rounding only
NEGLIGIBLE = 36.0  # e^−NEGLIGIBLE is left out


def _nodes(
    values: Float[np.ndarray, " rank"], power: float, decay: float, eps: float, batch_size: int
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """s and log(ds/s·s^power·e^(−sBε)) for integrands like s^power below 1/Σλ and s^−decay above 1/λ_min.

    In u = log s these are analytic for |Im u| < π, so that the trapezoid rule converges exponentially. The lower tail
    is long; u = w − e^(low−w) meets it in a few steps.
    """
    low, high = -np.log(2 * values.sum()), -np.log(2 * values[0]) + NEGLIGIBLE / decay
    if eps > 0:
        high = min(high, np.log(NEGLIGIBLE / (batch_size * eps)))
    start = low - np.log(1 + NEGLIGIBLE / power)
    w = np.arange(start, max(high, low + 8), STEP)
    bend = np.exp(low - w)
    s = np.exp(w - bend)
    return s, power * (w - bend) + np.log(STEP * (1 + bend)) - s * batch_size * eps


@dataclass(frozen=True)
class _Damped:
    """P at one t and every s: its blocks within and between the batches, and the weight of each node."""

    s: Float[np.ndarray, " s"]
    t: float
    one: Stack
    two: Stack
    across: Stack
    weight: Float[np.ndarray, " s"]

    def correlations(self) -> tuple[Row, Row, Stack]:
        """Standard deviations of both batches, and the correlations between them."""
        first, second = (np.sqrt(np.maximum(np.einsum("sii->si", m), 1e-300)) for m in (self.one, self.two))
        return first, second, np.clip(self.across / (first[:, :, None] * second[:, None, :]), -1, 1)


def _damped(one: Block, across: Block, two: Block, alpha: float, eps: float, lost: int) -> Iterator[_Damped]:
    """The nodes of the double integral, one t at a time; the integrand falls off like s^(−(rank−lost)/2).

    With Σ̃^G = F·Fᵀ, P = F·(I + 2s·FᵧᵀFᵧ + 2t·Fᵧ′ᵀFᵧ′)⁻¹·Fᵀ: no difference of large numbers, whatever the rank.

    Raises:
        InputError: the samples of a batch are equal.
    """
    size = len(one)
    whole = np.block([[one, across], [across.T, two]]).reshape(2, size, 2, size)
    whole = whole - whole.mean(axis=1, keepdims=True)
    whole = (whole - whole.mean(axis=3, keepdims=True)).reshape(2 * size, 2 * size)
    values, vectors = np.linalg.eigh(whole)
    keep = values > 1e-13 * max(float(values[-1]), 0.0)
    root = vectors[:, keep] * np.sqrt(values[keep])
    nodes, rotations = [], []
    for part in (root[:size], root[size:]):
        own, rotation = np.linalg.eigh(part.T @ part)
        positive = own[own > 1e-13 * max(float(own[-1]), 0.0)]
        if not positive.size or positive[-1] <= 1e-13 * values[-1]:
            raise InputError("the samples of a batch are equal, so their batch variance is 0")
        nodes.append(_nodes(positive, alpha / 2, max(len(positive) - lost, 0.5) / 2, eps, size))
        rotations.append((np.maximum(own, 0.0), rotation))
    (s, log_s), (many_t, log_t) = nodes
    own, rotation = rotations[1]
    for t, log_weight in zip(many_t, log_t, strict=True):
        scaled = root @ (rotation / np.sqrt(1 + 2 * t * own))
        rest, turn = np.linalg.eigh(scaled[:size].T @ scaled[:size])
        factor = scaled @ turn
        damping = 1 / (1 + 2 * s[:, None] * np.maximum(rest, 0.0))
        log_det = np.log(damping).sum(axis=1) - np.log1p(2 * t * own).sum()
        left = factor[:size] * damping[:, None, :]
        right = factor[size:] * damping[:, None, :]
        yield _Damped(
            s,
            float(t),
            left @ factor[:size].T,
            right @ factor[size:].T,
            left @ factor[size:].T,
            np.exp(log_s + log_weight + 0.5 * log_det),
        )


def cross_forward(one: Block, across: Block, two: Block, phi: Homogeneous, eps: float = 0.0) -> Block:
    """E[B_φ(y)·B_φ(y′)ᵀ] of two batches with the covariance (``one``, ``across``; ``across``ᵀ, ``two``)."""
    alpha, total = phi.alpha, np.zeros_like(across)
    for node in _damped(one, across, two, alpha, eps, 0):
        first, second, c = node.correlations()
        total += np.einsum("s,si,sj,sij->ij", node.weight, first**alpha, second**alpha, phi.kernel(c))
    return phi.c_alpha * len(one) ** alpha / special.gamma(alpha / 2) ** 2 * total


def cross_backward(one: Block, across: Block, two: Block, phi: Homogeneous, gradient: Block, eps: float = 0.0) -> Block:
    """E[B_φ′(y)ᵀ·Π·B_φ′(y′)] with Π = ``gradient``, the covariance of the gradients of two batches (Eqs. 23, 60)."""
    alpha, size, total = phi.alpha, len(one), np.zeros_like(across)
    eye = np.eye(size)
    for node in _damped(one, across, two, alpha, eps, 2):
        s, t, p = node.s[:, None, None], node.t, node.across
        first, second, c = node.correlations()
        scale = first[:, :, None] * second[:, None, :]
        kernel, slope = gradient * scale**alpha * phi.kernel(c), gradient * scale**alpha * phi.kernel_slope(c)
        # ⟨Π, V_φ(P)⟩ by P_ij, P_ii and P_jj: V_ij = (P_ii·P_jj)^(α/2)·J(c) with c = P_ij/√(P_ii·P_jj)
        by_across = slope / scale
        by_own = (alpha * kernel - c * slope) / 2
        by_one = np.sum(by_own, axis=2, keepdims=True) / first[:, :, None] ** 2
        by_two = np.sum(by_own, axis=1, keepdims=True) / second[:, None, :] ** 2
        keep_one, keep_two = eye - 2 * s * node.one, eye - 2 * t * node.two
        pulled = keep_one @ by_across @ keep_two + 4 * s * t * p @ np.swapaxes(by_across, 1, 2) @ p
        pulled -= 4 * t * keep_one @ (by_one * p) + 4 * s * (p * by_two) @ keep_two
        pulled += 4 * s * t * np.sum(kernel, axis=(1, 2), keepdims=True) * p  # of the determinant
        total += np.einsum("s,sij->ij", node.weight, pulled)
    total *= phi.c_alpha * size**alpha / special.gamma(alpha / 2) ** 2
    return total - total.mean(axis=0) - total.mean(axis=1)[:, None] + total.mean()
