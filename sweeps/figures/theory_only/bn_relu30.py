"""Remark K.7 of Yang et al. 2019: φ = max(z, 0)³⁰, whose gradients vanish in floating point, against 150 digits.

One sample takes all (BSB2 with a 1 × 1 block, Thm K.5): after normalisation it is ±√(B−1), and all others ∓1/√(B−1).
The gradient of that sample is projected out exactly (Lemma K.6); a floating-point number keeps 10⁻⁷ or 10⁻¹⁶ of it, and
φ′(√(B−1)) is so large that this rounding is all that is left of the gradient. Networks here have real weight matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phasemap.models.initial_weights import HIDDEN, READ_OUT, generator, normal_weights
from phasemap.sweeps.figures.theory_only.bn_common import THEORY_LINE, Scale, small_print
from phasemap.theory.plural import counted

Array = NDArray[np.float64]
POWER = 30
BATCH_SIZE = 6
DEPTH = 12
DIGITS = 150
COLOURS = {"float32": "#d55e00", "float64": "#0072b2", f"{DIGITS} digits": "#1b1b1c"}


@dataclass(frozen=True)
class Arithmetic:
    """A number system: how to enter it, its square root, and the base-10 logarithm of a number in it."""

    enter: Callable[[Array], Any]
    root: Callable[[Any], Any]
    log10: Callable[[Any], float]


def _decimal() -> Arithmetic:
    enter = np.vectorize(lambda value: Decimal(float(value)), otypes=[object])
    root = np.vectorize(lambda value: value.sqrt(), otypes=[object])
    return Arithmetic(enter, root, lambda value: float(value.log10()) if value > 0 else -np.inf)


def _binary(dtype: type) -> Arithmetic:
    return Arithmetic(lambda values: values.astype(dtype), np.sqrt, lambda value: float(np.log10(float(value))))


def backpropagate(
    weights: list[Array],
    inputs: Float[np.ndarray, "B N"],
    top: Float[np.ndarray, "B N"],
    how: Arithmetic,
) -> tuple[Array, Array]:
    """log₁₀ |δ^l|²/|δ^L|² for l = 1 … L, and the diagonal of Σ^L, with every operation in one arithmetic.

    The gradient is divided by its norm at every layer, so that its size alone neither overflows nor underflows.
    """
    matrices = [how.enter(w) for w in weights]
    x, batch = how.enter(inputs), len(inputs)
    states = []
    for w in matrices:
        h = x.dot(w)
        centred = h - h.sum(0) / batch
        spread = how.root((centred * centred).sum(0) / batch)
        normal = centred / spread
        positive = normal * (normal > 0)
        x = positive**POWER
        states.append((normal, spread, POWER * positive ** (POWER - 1)))
    diagonal = ((x * x).sum(1) / x.shape[1]).astype(float)
    gradient, total, logs = how.enter(top), 0.0, []
    for (normal, spread, slope), w in zip(states[::-1], matrices[::-1], strict=True):
        d_z = gradient * slope
        d_h = (d_z - d_z.sum(0) / batch - normal * ((d_z * normal).sum(0) / batch)) / spread
        square = (d_h * d_h).sum()
        total += how.log10(square)
        logs.append(total)
        gradient = (d_h / how.root(square)).dot(w.T)
    profile: Array = np.array(logs[::-1]) - logs[0]
    return profile, diagonal


def measure(networks: int, width: int, seed: int, *, depth: int = DEPTH) -> tuple[dict[str, Array], Array]:
    """The gradient's profile (networks × layers) in each arithmetic, and the exact diagonals of Σ^L."""
    profiles: dict[str, list[Array]] = {name: [] for name in COLOURS}
    diagonals = []
    for network in range(networks):
        own = 1000 * seed + network
        weights = [normal_weights(own, HIDDEN, layer, width, width) for layer in range(depth)]
        inputs = np.sqrt(width) * np.eye(BATCH_SIZE, width)
        top = generator(own, READ_OUT).standard_normal((BATCH_SIZE, width))
        with localcontext() as context, np.errstate(all="ignore"):
            context.prec = DIGITS
            for name, how in zip(COLOURS, (_binary(np.float32), _binary(np.float64), _decimal()), strict=True):
                profile, diagonal = backpropagate(weights, inputs, top, how)
                profiles[name].append(profile)
        diagonals.append(diagonal)
    return {name: np.array(each) for name, each in profiles.items()}, np.array(diagonals)


def predicted_slope(width: int, *, draws: int = 4000, seed: int = 0) -> float:
    """The mean change of log₁₀ |δ|² per layer at the fixed point of Thm K.5, at finite width.

    From the formula below Lemma K.6: δ ↦ √B·φ′(1/√(B−1))·|r|⁻¹·δ₂ for the half of the units with r < 0, r ~ N(0, λ*),
    and 0 for the others. |r|⁻² has no mean, so its average over N units is drawn; δ₂ is Gaussian with B − 2 dimensions.
    """
    axis, rest = np.sqrt(BATCH_SIZE - 1), 1 / np.sqrt(BATCH_SIZE - 1)
    log_slope = np.log10(POWER) + (POWER - 1) * np.log10(rest)
    spread = (BATCH_SIZE - 1) / (2 * BATCH_SIZE) * (axis ** (2 * POWER) + rest ** (2 * POWER))
    random = np.random.default_rng(seed)
    size = random.chisquare(BATCH_SIZE - 2, (draws, width)) / (BATCH_SIZE - 2)
    average = (size * random.integers(0, 2, (draws, width)) / random.standard_normal((draws, width)) ** 2).mean(1)
    return float(2 * log_slope + np.log10(BATCH_SIZE / spread) + np.log10(average[average > 0]).mean())


def draw(profiles: dict[str, Float[np.ndarray, "K L"]], *, ax: Axes, width: int, title: str = "") -> Axes:
    """Median over networks of the squared gradient, in decades; thin: the networks; dashed: the theory's slope."""
    layers = np.arange(1, next(iter(profiles.values())).shape[1] + 1)
    for name, each in profiles.items():
        ax.plot(layers, each.T, color=COLOURS[name], linewidth=0.5, alpha=0.4)
        ax.plot(layers, np.median(each, axis=0), color=COLOURS[name], label=name)
    slope = predicted_slope(width)
    ax.plot(layers, (layers[-1] - layers) * slope, label=f"App. K.1: {slope:.1f} decades a layer", **THEORY_LINE)
    ax.legend()
    ax.set(
        xlabel="layer l",
        ylabel="log₁₀ |δ^l|² / |δ^L|²",
        title=title or f"max(z, 0)³⁰, B = {BATCH_SIZE}: the same networks in three arithmetics",
    )
    return ax


def figure_relu30(*, networks: int = 7, width: int = 32, seed: int = 0) -> Figure:
    """The gradient in float32, float64 and 150 digits."""
    scale = Scale(networks, width, seed)
    figure = Figure(figsize=(5.8, 4.6), layout="constrained")
    profiles, _ = measure(scale.networks, scale.width, scale.seed)
    draw(profiles, ax=figure.add_subplot(), width=scale.width)
    count = counted(scale.networks, "network")
    small_print(figure, f"{count} of width {scale.width}, seed {scale.seed}; lines: median")
    return figure
