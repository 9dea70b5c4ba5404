"""Batch normalisation with skip connections: the squared gradient is a power of the layer, not an exponential.

A pre-activation residual network (He et al. 2016) at initialisation, h^(l+1) = h^l + W·φ(BN(h^l)), W ~ N(0, σ_w²/N),
l = 1 … L. At BSB1 with spread μ^l, and for the centred part a^l and the batch mean's part m of tr Π^l,

    μ^(l+1) = μ^l + g(μ^l),    a^l = a^(l+1)·(1 + λ(μ^l)) + m·ν(μ^l),

where g, λ and ν are those of one layer without the skip connection. At ε = 0, g = μ* and λ(μ) = λ_G↓·μ*/μ, so that μ
grows linearly and tr Π^l ∝ l^(−λ_G↓). In a block of k layers, each with BN and φ, λ and g are those of the k layers in
turn, and the exponent is λ_G↓^k. Derived in docs/theory-bn-residual.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.eigenvalues import backward, batch_mean_rate
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.batchnorm.moments.radial_average import radial
from phasemap.theory.batchnorm.moments.table import choose_method, moments_at, table
from phasemap.theory.errors import InputError

NEUTRAL = 1e-12
"""A transient exponent up to this is 0, as that of ReLU at B → ∞ is."""
OneLayer = Callable[[float], tuple[float, float, float]]
"""μ ↦ g(μ), λ(μ), ν(μ)."""


@dataclass(frozen=True)
class ResidualGrowth:
    """One network, layer by layer.

    Attributes:
        spread: μ^1 … μ^L, the diagonal less the off-diagonal of the covariance of h^l.
        log_gradient: ln tr Π^l − ln tr Π^L for l = 1 … L: growth of E‖dLoss/dh^l‖² from the last layer down to l.
    """

    spread: Float[np.ndarray, " layers"]
    log_gradient: Float[np.ndarray, " layers"]


def gradient_exponent(activation: Activation, batch_size: int, *, block_layers: int = 1) -> float:
    """λ_G↓^k at ε = 0: E‖dLoss/dh^l‖² ∝ l^(−exponent), whatever ε and σ_w are. Raises as ``depth_scale``."""
    return depth_scale(activation, batch_size).rate ** block_layers


def residual_growth(
    activation: Activation,
    batch_size: int,
    depth: int,
    *,
    spread: float = 1.0,
    eps: float = 0.0,
    sigma_w: float = 1.0,
    block_layers: int = 1,
    mean_share: float = 0.0,
) -> ResidualGrowth:
    """The recurrences from h^1 to h^depth, at BSB1 throughout.

    Args:
        activation: φ with γ and β of BN bound.
        depth: L ≥ 1; the network has L − 1 blocks.
        spread: μ^1, of the first h.
        block_layers: k, layers of BN, φ and W in a block.
        mean_share: m, the batch mean's share of tr Π^L: 0 below a last BN; 1/B below a linear read-out, if the samples'
            gradients are independent.

    Raises:
        InputError: as ``depth_scale``, or a depth, spread, number of layers or share that cannot be.
    """
    for name, value, least in (("depth", depth, 1), ("block_layers", block_layers, 1)):
        if value < least:
            raise InputError(f"{name} {value}: expected at least {least}")
    if not (np.isfinite(spread) and spread > 0):
        raise InputError(f"spread {spread}: expected a finite number above 0, since BN divides by it")
    if not 0 <= mean_share <= 1:
        raise InputError(f"mean_share {mean_share}: expected a number from 0 to 1")
    layer = _one_layer(activation, batch_size, eps, sigma_w)
    spreads = np.empty(depth)
    spreads[0] = spread
    factors, sources = np.empty(depth - 1), np.empty(depth - 1)
    for block in range(depth - 1):
        mu, factor, source = spreads[block], 1.0, 1.0
        for _ in range(block_layers):
            mu, rate, mean_rate = layer(mu)
            factor, source = factor * rate, factor * mean_rate
        spreads[block + 1] = spreads[block] + mu
        factors[block], sources[block] = factor, source
    log_gradient = np.zeros(depth)
    share = mean_share  # of tr Π^l: the mean's part m stays what it is while the centred part grows
    for block in reversed(range(depth - 1)):
        growth = (1 - share) * (1 + factors[block]) + share * (1 + sources[block])
        log_gradient[block] = log_gradient[block + 1] + np.log(growth)
        share /= growth
    return ResidualGrowth(spreads, log_gradient)


def _one_layer(activation: Activation, batch_size: int, eps: float, sigma_w: float) -> OneLayer:
    depth_scale(activation, batch_size, eps=eps, sigma_w=sigma_w)  # raises where there is no rate
    method = choose_method(activation, batch_size)
    at_one = moments_at(activation, batch_size, np.ones(1), method)[0] if eps == 0 else None

    def layer(mu: float) -> tuple[float, float, float]:
        weights = radial(batch_size, mu, eps, 1.0, activation.kinks)
        moments = at_one or table(activation, batch_size, method)(weights.scales)
        added = sigma_w**2 * float(np.sum(weights.one * (moments.ff - moments.f00)))
        rate = backward(moments, weights, batch_size, sigma_w).G
        return added, rate, batch_mean_rate(moments, weights, batch_size, sigma_w)

    return layer


def with_residual(record: dict[str, Any], at_zero: dict[str, Any]) -> dict[str, Any]:
    """A record of ``batchnorm_record`` or ``limit_record`` with the key ``residual``: the same with skip connections.

    Its keys: exponent (λ_G↓ at ε = 0); transient_exponent, with which what breaks the batch's symmetry changes relative
    to the rest, as l^exponent: max(λ_L↑, λ_M↑) − 1 at ε = 0; and stable, whether that does not grow.

    Args:
        at_zero: the record of the same φ and batch size at ε = 0.
    """
    forward = [value for key, value in at_zero["forward"].items() if key != "G" and value is not None]
    transient = max(forward) - 1 if forward else None
    if transient is not None and abs(transient) < NEUTRAL:
        transient = 0.0
    reasons = dict(record["reasons"])
    for key, source, value in (
        ("exponent", "backward.G", at_zero["backward"]["G"]),
        ("transient_exponent", "forward.L", transient),
    ):
        if value is None:
            reasons[f"residual.{key}"] = at_zero["reasons"][source]
    residual = {
        "exponent": at_zero["backward"]["G"],
        "transient_exponent": transient,
        "stable": None if transient is None else transient <= 0,
    }
    return {**record, "residual": residual, "reasons": reasons}
