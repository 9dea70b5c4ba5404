"""Rates measured in sampled networks, with standard errors over networks, and their extrapolation to infinite width.

A symmetric B × B matrix seen through G = I − 11ᵀ/B splits into three parts, each of which one BN layer multiplies by a
number near its BSB1 fixed point (Thm 3.6, Yang et al. 2019): the multiple of G; L, the fluctuation of the samples'
norms; M, the covariances between samples (zero diagonal and zero row sums).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from phasemap.models.sampling.batchnorm import Sample, centring
from phasemap.theory.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over networks, with its standard error and the standard deviation of one network."""

    value: float
    error: float
    spread: float
    networks: int


@dataclass(frozen=True)
class Extrapolation:
    """The limit of infinite width from a weighted straight line in 1/N.

    Attributes:
        value, error: of the intercept. slope: the coefficient of 1/N.
        chi_square: of the straight line, with len(widths) − 2 degrees of freedom.
    """

    value: float
    error: float
    slope: float
    chi_square: float


def extrapolate(widths: Sequence[int], estimates: Sequence[Estimate]) -> Extrapolation:
    """Least squares of value = limit + slope/N, weighted with the standard errors.

    Raises:
        InputError: fewer than two different widths, or an estimate without error.
    """
    errors = np.array([e.error for e in estimates])
    if len(set(widths)) < 2 or len(widths) != len(estimates) or not np.all(errors > 0):
        raise InputError(f"widths {list(widths)}: expected at least two different ones, each with a standard error")
    design = np.stack([np.ones(len(widths)), 1 / np.asarray(widths)], axis=1) / errors[:, None]
    target = np.array([e.value for e in estimates]) / errors
    covariance = np.linalg.inv(design.T @ design)
    limit, slope = covariance @ design.T @ target
    residual = target - design @ np.array([limit, slope])
    return Extrapolation(float(limit), float(np.sqrt(covariance[0, 0])), float(slope), float(residual @ residual))


def mean_of(values: Float[np.ndarray, " K"]) -> Estimate:
    """The mean over networks of one number per network."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Estimate(float(np.mean(values)), float(spread / np.sqrt(len(values))), spread, len(values))


def ratio_of(numerators: Float[np.ndarray, " K"], denominators: Float[np.ndarray, " K"]) -> Estimate:
    """Σ numerators/Σ denominators over networks, with the error of the ratio to first order in the fluctuations."""
    count, mean = len(numerators), np.mean(denominators)
    value = np.mean(numerators) / mean
    spread = float(np.std((numerators - value * denominators) / mean, ddof=1)) if count > 1 else float("nan")
    return Estimate(float(value), float(spread / np.sqrt(count)), spread, count)


def log_growth(sample: Sample) -> Float[np.ndarray, "K steps"]:
    """ln(|δ^l|²/|δ^(l+1)|²) for l = 1 … L−1: the growth of the squared gradient from layer l+1 down to l."""
    return sample.log_gradient[:, :-1] - sample.log_gradient[:, 1:]


def gradient_explosion_rate(sample: Sample, *, skip: int = 0) -> Estimate:
    """λ_G↓ as exp of the mean log growth per layer, leaving out ``skip`` layers at the bottom.

    The mean of the logarithm has finite variance where the squared gradient's own has none (B = 4, 5), and at width N
    it lies O(1/N) from the logarithm of the mean. The trace does not feel the transients of L and M, so nothing needs
    to be left out at the top.
    """
    log_rate = mean_of(log_growth(sample)[:, skip:].mean(1))
    rate = float(np.exp(log_rate.value))
    return Estimate(rate, rate * log_rate.error, rate * log_rate.spread, log_rate.networks)


def split(matrix: Float[np.ndarray, "*n B B"]) -> tuple[Array, Array, Array]:
    """The parts of G·matrix·G on R·G (as the coefficient of G, shape n), on L and on M (shape n B B). Needs B ≥ 3."""
    size = matrix.shape[-1]
    g = centring(size)
    centred = g @ matrix @ g
    coefficient = np.asarray(np.trace(centred, axis1=-2, axis2=-1) / (size - 1))
    deviation = centred - coefficient[..., None, None] * g
    diagonal = np.diagonal(deviation, axis1=-2, axis2=-1) / (1 - 2 / size)
    on_l = g @ (diagonal[..., None] * g)  # G·D·G has the diagonal (1 − 2/B)·D when tr D = 0
    return coefficient, on_l, deviation - on_l


def forward_rates(sample: Sample, *, skip: int) -> tuple[Estimate, Estimate, Estimate]:
    """λ_G↑, λ_L↑, λ_M↑ by autoregression of the finite-width fluctuations of Σ around its fixed point.

    E[Σ^(l+1) | Σ^l] = V(Σ^l) exactly at any width, and the fluctuations are O(1/√N), so the regression of each part on
    itself one layer below gives the eigenvalue up to O(1/N). What does not fluctuate has no estimate (NaN): M at B = 3,
    and the trace of a linear network at ε = 0, which BN fixes.

    Args:
        skip: layers left out at the bottom, while the fixed point is approached.
    """
    norm, on_l, on_m = split(sample.forward[:, skip:])
    rounding = 1e-20 * np.mean(norm**2)
    norm = norm - norm.mean(axis=0)
    parts = (norm[..., None, None], on_l, on_m)
    estimates = []
    for part in parts:
        products = np.einsum("klij,klij->k", part[:, 1:], part[:, :-1])
        squares = np.einsum("klij,klij->k", part[:, :-1], part[:, :-1])
        fluctuates = squares.mean() > rounding * part.shape[1]
        estimates.append(ratio_of(products, squares) if fluctuates else Estimate(np.nan, np.nan, np.nan, len(squares)))
    return estimates[0], estimates[1], estimates[2]


def probe_gradient(batch_size: int, part: str) -> Float[np.ndarray, "B B"]:
    """A square root of the covariance of a top gradient with a large part on L or on M, for ``backward_rate``.

    L: the first half of the samples has a larger gradient (variance 1.8 against 0.2). M: a shared component along
    u = ±1 with half of the signs each. For even B.

    Raises:
        InputError: an odd batch size or another part.
    """
    if batch_size % 2 or part not in ("L", "M"):
        raise InputError(f"part {part!r}, batch size {batch_size}: expected L or M, and an even batch size")
    sign = np.repeat([1.0, -1.0], batch_size // 2)
    g = centring(batch_size)
    return g @ np.diag(np.sqrt(1 + 0.8 * sign)) if part == "L" else 0.25 * g + np.outer(sign, sign) / batch_size


def backward_rate(sample: Sample, part: str, *, layers: int) -> Estimate:
    """λ_L↓ or λ_M↓ as the response to ``probe_gradient``, over the top ``layers`` steps.

    The part's component along the probe in Π^l, over that in Π^(l+1), with both in units of the trace of Π^(l+1).
    """
    size = sample.backward.shape[-1]
    root = probe_gradient(size, part)
    direction = split(root @ root.T)[1 if part == "L" else 2]
    component = np.einsum("klij,ij->kl", sample.backward, direction)
    growth = np.exp(log_growth(sample))
    below, above = (component[:, :-1] * growth)[:, -layers:], component[:, 1:][:, -layers:]
    return ratio_of(below.sum(1), above.sum(1))


def weight_gradient(sample: Sample, *, skip: int) -> Estimate:
    """|dLoss/dW^l|²/(N·|δ^l|²) = ⟨Σ^(l−1), Π^l⟩, which tends to μ* (App. L): weight gradients explode with δ."""
    return mean_of(np.einsum("klij,klij->kl", sample.forward[:, skip:-1], sample.backward[:, skip:]).mean(1))


def cross_blocks(matrix: Float[np.ndarray, "*n R R"]) -> tuple[Array, Array, Array]:
    """The centred blocks (1,1), (2,2) and (1,2) of covariances of two mini-batches of B = R/2 samples."""
    size = matrix.shape[-1] // 2
    g = centring(size)
    first, second = slice(None, size), slice(size, None)
    return (
        g @ matrix[..., first, first] @ g,
        g @ matrix[..., second, second] @ g,
        g @ matrix[..., first, second] @ g,
    )


def cross_batch_correlation(sample: Sample) -> Float[np.ndarray, "K L1"]:
    """Correlation of the centred activations of two mini-batches, sample by sample, at each layer 0 … L."""
    one, two, across = (np.trace(block, axis1=-2, axis2=-1) for block in cross_blocks(sample.forward))
    return across / np.sqrt(one * two)


def cross_batch_rate(sample: Sample, *, skip: int) -> Estimate:
    """The rate of the covariance between two mini-batches (Thm 3.11), by autoregression of its fluctuations."""
    across = cross_blocks(sample.forward[:, skip:])[2]
    products = np.einsum("klij,klij->k", across[:, 1:], across[:, :-1])
    return ratio_of(products, np.einsum("klij,klij->k", across[:, :-1], across[:, :-1]))


def cross_batch_gradient_rate(sample: Sample, *, layers: int) -> Estimate:
    """The rate of the covariance between two mini-batches' gradients (Thm I.4) over the top ``layers`` steps.

    Needs a top gradient that both share: ``top=np.kron([[1, 0], [1, 0]], centring(B))``.
    """
    across = np.trace(cross_blocks(sample.backward)[2], axis1=-2, axis2=-1)
    growth = np.exp(log_growth(sample))
    below, above = (across[:, :-1] * growth)[:, -layers:], across[:, 1:][:, -layers:]
    return ratio_of(below.sum(1), above.sum(1))
