"""The uncommon regimes of App. J, Yang et al. 2019: batches of two and three, and broken symmetry by width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import gegenbauer

from phasemap.models.activations import TorchActivation, torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, bsb1_inputs, sample_networks
from phasemap.models.sampling.rates import Estimate, gradient_explosion_rate
from phasemap.sweeps.figures.theory_only.bn_common import THEORY_LINE, Scale, batch_colours, small_print
from phasemap.theory.activations import Activation, activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.plural import counted

Array = NDArray[np.float64]
SMALL_BATCH_SIZES = (3, 4, 5, 6, 8)
TRANSITION_BATCH_SIZE = 10
TRANSITION_DEPTH = 60
BROKEN = 0.5  # standard deviation over mean of Σ's diagonal; about 0.1 in BSB1, 2 or more in BSB2


@dataclass(frozen=True)
class SmallBatches:
    """λ_G↓ measured at each width, by batch size (≥ 3), and ln |δ|² that a batch of two passes back (rounding)."""

    widths: tuple[int, ...]
    rates: dict[int, list[Estimate]]
    two: float


def small_batch_widths(largest: int) -> tuple[int, ...]:
    """Widths that double up to the largest."""
    return tuple(largest // 2**k for k in (5, 4, 3, 2, 1, 0))


def measure_small_batches(scale: Scale) -> SmallBatches:
    """ReLU, 15 layers, of which the top 11 count."""
    relu, widths = torch_activation("relu"), small_batch_widths(scale.width)
    rates = {
        size: [
            gradient_explosion_rate(
                sample_networks(
                    NetworkLaw(relu, width, 15), bsb1_inputs(size, width), networks=scale.networks, seed=scale.seed
                ),
                skip=3,
            )
            for width in widths
        ]
        for size in SMALL_BATCH_SIZES
    }
    law = NetworkLaw(relu, scale.width, 1)
    two = sample_networks(law, bsb1_inputs(2, scale.width), networks=scale.networks, seed=scale.seed)
    gradient_in = np.log(scale.width)  # E|δ_x|² of the centred unit gradient on two samples
    return SmallBatches(widths, rates, float(np.median(two.log_gradient)) - gradient_in)


def draw_small_batches(found: SmallBatches, *, ax: Axes, title: str = "") -> Axes:
    """λ_G↓ over the width, mean ± 1 standard error, with the theory's limit; at B = 3 that limit is infinite."""
    for (size, rates), colour in zip(found.rates.items(), batch_colours(len(found.rates)), strict=True):
        ax.errorbar(
            found.widths,
            [r.value for r in rates],
            [r.error for r in rates],
            color=colour,
            marker="o",
            markersize=3.5,
            label=f"B = {size}",
        )
        if size > 3:
            ax.axhline(float(batchnorm_record(activation("relu"), size)["backward"]["G"]), **THEORY_LINE)
    ax.plot([], [], **THEORY_LINE, label="theory, N → ∞ (B = 3: ∞)")
    ax.set_xscale("log", base=2)
    ax.legend()
    ax.set(
        xlabel="width N",
        ylabel="growth of the squared gradient per layer",
        title=title or "batches of three and more explode …",
    )
    ax.annotate(
        f"B = 2: growth $10^{{{found.two / np.log(10):.0f}}}$, rounding",
        (0.98, 0.42),
        xycoords="axes fraction",
        ha="right",
        fontsize="small",
    )
    return ax


def odd_polynomial(batch_size: int = TRANSITION_BATCH_SIZE) -> tuple[Activation, TorchActivation]:
    """φ(z) = C₅(z/√(B−1)) − C₇(z/√(B−1)) with Gegenbauer polynomials of order (B−3)/2 (App. J), twice."""
    order, radius = (batch_size - 3) / 2, (batch_size - 1) ** 0.5
    polynomial = np.poly1d(gegenbauer(5, order).coeffs) - np.poly1d(gegenbauer(7, order).coeffs)
    derivative = polynomial.deriv()
    theory = Activation("C5 - C7", lambda z: polynomial(z / radius), lambda z: derivative(z / radius) / radius)
    value = [float(c) for c in polynomial.coeffs]
    slope = [float(c) / radius for c in derivative.coeffs]

    def horner(coefficients: Sequence[float], z: torch.Tensor) -> torch.Tensor:
        x = z / radius
        total = torch.zeros_like(x)
        for coefficient in coefficients:
            total = total * x + coefficient
        return total

    return theory, TorchActivation(lambda z: horner(value, z), lambda g, z, out: g * horner(slope, z), True)


def transition_widths(largest: int) -> tuple[int, ...]:
    """From a tenth of the largest width to three times it: at 1000 the paper's 100 and 1000, and 3000."""
    return tuple(max(20, int(largest * factor)) for factor in (0.1, 0.3, 1.0, 3.0))


def measure_transition(scale: Scale, *, depth: int = TRANSITION_DEPTH) -> dict[int, Array]:
    """The spread of Σ^l's diagonal (standard deviation over mean), by network and layer, for each width."""
    found = {}
    for width in transition_widths(scale.width):
        law = NetworkLaw(odd_polynomial()[1], width, depth)
        sample = sample_networks(
            law, bsb1_inputs(TRANSITION_BATCH_SIZE, width), networks=scale.networks, seed=scale.seed, backward=False
        )
        diagonal = np.diagonal(sample.forward, axis1=2, axis2=3)
        found[width] = diagonal.std(2) / diagonal.mean(2)
    return found


def draw_transition(found: dict[int, Float[np.ndarray, "K L1"]], *, ax: Axes, title: str = "") -> Axes:
    """The share of networks that have left BSB1, by layer."""
    for (width, spread), colour in zip(found.items(), batch_colours(len(found)), strict=True):
        ax.plot((spread > BROKEN).mean(0), color=colour, label=f"N = {width}")
    eigenvalue = batchnorm_record(odd_polynomial()[0], TRANSITION_BATCH_SIZE)["forward"]["L"]
    ax.legend(loc="upper left")
    ax.set(
        xlabel="layer",
        ylabel="share of networks in BSB2",
        ylim=(-0.03, 1.03),
        title=title or f"φ = C₅ − C₇, B = 10: BSB1 attracts (λ_L↑ = {eigenvalue:.2f}), yet networks leave it",
    )
    return ax


def figure_small_batches(*, networks: int = 50, width: int = 2048, seed: int = 0) -> Figure:
    """Batches of 2, 3, 4, …"""
    scale = Scale(networks, width, seed)
    figure = Figure(figsize=(5.8, 4.6), layout="constrained")
    draw_small_batches(measure_small_batches(scale), ax=figure.add_subplot(), title="small batches, ReLU")
    count = counted(scale.networks, "network")
    small_print(figure, f"{count} of each width, seed {scale.seed}, float64; bars: 1 standard error")
    return figure


def figure_transition(*, networks: int = 50, width: int = 1000, seed: int = 0) -> Figure:
    """φ = C₅ − C₇."""
    scale = Scale(networks, width, seed)
    figure = Figure(figsize=(5.8, 4.6), layout="constrained")
    draw_transition(measure_transition(scale), ax=figure.add_subplot())
    small_print(figure, f"{counted(scale.networks, 'network')} of each width, seed {scale.seed}, float64")
    return figure
