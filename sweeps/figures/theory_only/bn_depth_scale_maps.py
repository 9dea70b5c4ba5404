"""Maps of ξ over the batch size and one BN parameter, and all eigenvalues over the batch size. Theory only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phasemap.sweeps.figures.style import COLOUR_MAP, THEORY, halo
from phasemap.sweeps.figures.theory_only.bn_common import COLOURS
from phasemap.theory.activations import Activation, activation
from phasemap.theory.batchnorm.fixed_point import critical_eps
from phasemap.theory.batchnorm.gradient_explosion import depth_scales
from phasemap.theory.batchnorm.record import batchnorm_record

Array = NDArray[np.float64]
BATCH_SIZES = np.unique(np.geomspace(4, 512, 36).round()).astype(int)
TICKS = (4, 8, 16, 32, 64, 128, 256, 512)
DEPTHS = (25, 50, 100, 200, 400, 800)
TRAINABLE = 16  # trainable depth per depth scale, as in the paper's figures
LIMITS = (1.0, 1000.0)  # of ξ on the colour scale
CRITICAL = "#ff7fc4"


@dataclass(frozen=True)
class MapAxis:
    """What a map is over.

    Attributes:
        values: of the vertical axis. label: its name. log: whether its scale is logarithmic.
        cell: a value ↦ (φ, ε).
    """

    values: Float[np.ndarray, " y"]
    label: str
    log: bool
    cell: Callable[[float], tuple[Activation, float]]


def _gamma(value: float) -> tuple[Activation, float]:
    return activation("tanh", scale=value), 0.0


def _beta(value: float) -> tuple[Activation, float]:
    return activation("relu", shift=value), 0.0


def _eps(phi: Activation, value: float) -> tuple[Activation, float]:
    return phi, value


GAMMA = MapAxis(np.geomspace(0.1, 4, 41), "BN scale γ, φ = tanh", True, _gamma)
BETA = MapAxis(np.linspace(-1, 3, 41), "BN shift β, φ = relu", False, _beta)
EPS_TANH = MapAxis(np.geomspace(1e-3, 10, 40), "ε of BN, φ = tanh", True, partial(_eps, activation("tanh")))
EPS_RELU = MapAxis(
    np.geomspace(1e-3, 10, 40), "ε of BN, φ = relu(z + 2)", True, partial(_eps, activation("relu", shift=2.0))
)


def measure(axis: MapAxis) -> Float[np.ndarray, "y x"]:
    """ξ in every cell."""
    xi = np.empty((len(axis.values), len(BATCH_SIZES)))
    for row, value in enumerate(axis.values):
        phi, eps = axis.cell(float(value))
        xi[row] = depth_scales(phi, BATCH_SIZES, eps=eps)
    return xi


def critical_line(axis: MapAxis) -> Float[np.ndarray, " x"]:
    """The ε at which ξ is infinite, by batch size; NaN on a map with ε = 0 throughout."""
    phi, eps = axis.cell(float(axis.values[0]))
    return np.array([critical_eps(phi, int(size)) if eps else np.nan for size in BATCH_SIZES])


def draw(xi: Float[np.ndarray, "y x"], axis: MapAxis, *, ax: Axes, title: str = "") -> Axes:
    """ξ in colour, lines of equal 16ξ, and the critical ε, above which gradients vanish instead of exploding."""
    x, y = BATCH_SIZES.astype(float), axis.values
    ax.set_xscale("log")
    ax.set_yscale("log" if axis.log else "linear")
    mesh = ax.pcolormesh(x, y, xi, norm=LogNorm(*LIMITS), cmap=COLOUR_MAP, shading="nearest", rasterized=True)
    assert ax.figure is not None
    ax.figure.colorbar(mesh, ax=ax, label="depth scale ξ (layers)", extend="both")
    critical = critical_line(axis)
    if np.isfinite(critical).all():
        ax.plot(x, critical, color=CRITICAL, linestyle="--")
        middle = float(np.sqrt(x[0] * x[-1]))
        top, bottom = np.sqrt(critical.mean() * y[[-1, 0]])
        for words, height in (("gradients vanish", top), ("gradients explode", bottom)):
            ax.text(middle, height, words, color=THEORY, ha="center", path_effects=halo())
        ax.text(x[0], critical[0], " ξ = ∞", color=CRITICAL, va="bottom", path_effects=halo(), fontsize="small")
        sides = [y < critical.min(), y > critical.max()]  # ξ is infinite between them: no contour may cross
    else:
        sides = [np.ones(len(y), dtype=bool)]
    for side in sides:
        lines = ax.contour(x, y[side], TRAINABLE * xi[side], levels=DEPTHS, colors=THEORY, linewidths=1.0)
        for label in ax.clabel(lines, fmt=lambda depth: f"{depth:.0f}", fontsize="x-small"):
            label.set_path_effects(halo())
    ax.set_xticks(TICKS, labels=[str(tick) for tick in TICKS])
    ax.minorticks_off()
    ax.set(xlabel="batch size B", ylabel=axis.label, title=title or "depth scale ξ; lines: 16ξ in layers")
    return ax


def figure_map(axis: MapAxis) -> Figure:
    """One map; needs no networks."""
    figure = Figure(figsize=(6.2, 4.6), layout="constrained")
    draw(measure(axis), axis, ax=figure.add_subplot())
    return figure


figure_gamma = partial(figure_map, GAMMA)
figure_beta = partial(figure_map, BETA)
figure_eps_tanh = partial(figure_map, EPS_TANH)
figure_eps_relu = partial(figure_map, EPS_RELU)


def draw_eigenvalues(phi: Activation, *, ax: Axes, title: str = "") -> Axes:
    """Every eigenvalue of one layer over the batch size: backward solid, forward dashed, and between batches."""
    records = [batchnorm_record(phi, int(size)) for size in BATCH_SIZES]
    width = {"G": 1.8, "L": 3.2, "M": 1.4}  # L and M coincide in the linear network
    for part in ("G", "L", "M"):
        backward = [r["backward"][part] for r in records]
        ax.plot(BATCH_SIZES, backward, color=COLOURS[part], linewidth=width[part], label=f"λ_{part}↓")
    for part in ("L", "M"):
        forward = [r["forward"][part] for r in records]
        ax.plot(BATCH_SIZES, forward, "--", color=COLOURS[part], linewidth=width[part], label=f"λ_{part}↑")
    ax.plot(BATCH_SIZES, [r["cross_batch"]["rate"] for r in records], color=COLOURS["CB"], label="λ_CB")
    ax.axhline(1, color="#b0b0b4", linewidth=0.8, zorder=0)
    ax.set_xscale("log")
    ax.set_xticks(TICKS, labels=[str(tick) for tick in TICKS])
    ax.minorticks_off()
    ax.set(xlabel="batch size B", ylim=(0, 3), title=title or phi.label)
    return ax


def figure_eigenvalues() -> Figure:
    """relu, tanh and the linear network; needs no networks."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for ax, name in zip(panels, ("identity", "relu", "tanh"), strict=True):
        draw_eigenvalues(activation(name), ax=ax)
    panels[0].set_ylabel("eigenvalue per layer")
    panels[0].legend(ncols=2)
    return figure
