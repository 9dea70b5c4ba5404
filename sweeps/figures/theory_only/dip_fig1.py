"""Figure 1 of Deep Information Propagation: where plain tanh networks are ordered and where chaotic. Theory only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from phasemap.sweeps.figures.style import COLOUR_MAP, THEORY, halo
from phasemap.sweeps.figures.theory_only.bn_common import small_print
from phasemap.theory.activations import activation
from phasemap.theory.mlp.critical_line import critical_point
from phasemap.theory.mlp.solution import solve

CRITICAL = "#ff7fc4"
WEIGHTS, BIASES = (0.25, 4.0), (0.0, 0.5)
"""Spans of σ_w² and σ_b²."""


@dataclass(frozen=True)
class Panel:
    """One quantity of ``Solution`` over the plane: the levels of its contours, and its colours."""

    quantity: str
    title: str
    levels: tuple[float, ...]
    norm: Normalize


PANELS = (
    Panel("q_star", "length q*", (0.1, 0.3, 1.0, 2.0, 3.0), Normalize(0, 3.5)),
    Panel("c_star", "correlation c*", (0.2, 0.4, 0.6, 0.8, 0.95), Normalize(0, 1)),
    Panel("chi_1", "χ₁, the slope at c = 1", (0.4, 0.6, 0.8, 1.2, 1.5), Normalize(0.2, 1.8)),
    Panel("xi_c", "depth scale ξ_c (layers)", (1.0, 3.0, 10.0, 30.0), LogNorm(0.5, 100)),
)


def figure_1(points: int = 101) -> Figure:
    """q*, c*, χ₁ and ξ_c over σ_w² and σ_b², with the critical line."""
    weights = np.linspace(*WEIGHTS, points)
    biases = np.linspace(*BIASES, points)
    phi = activation("tanh")
    found = solve(phi, np.sqrt(weights)[None, :], np.sqrt(biases)[:, None])
    curve = BIASES[1] * np.linspace(0, 1, points) ** 3  # it starts flat
    line = critical_line(curve)
    figure = Figure(figsize=(9.2, 7.4), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for ax, panel in zip(axes.flat, PANELS, strict=True):
        _draw(ax, panel, weights, biases, getattr(found, panel.quantity))
        ax.plot(line, curve, color=CRITICAL, linewidth=2, path_effects=halo())
        ax.set(xlabel="σ_w²", ylabel="σ_b²")
        ax.label_outer()
    for words, x, y in (("ordered", 1.2, 0.3), ("chaotic", 3.5, 0.155)):
        axes[0, 1].text(x, y, words, color=THEORY, ha="center", path_effects=halo())
    small_print(figure, "tanh, mean field theory; pink: the critical line, χ₁ = 1")
    return figure


def critical_line(biases: Float[np.ndarray, " y"]) -> Float[np.ndarray, " y"]:
    """The critical σ_w² of each σ_b²."""
    found = [critical_point("tanh", float(np.sqrt(bias))).sigma_w for bias in biases]
    return np.array(found, dtype=float) ** 2


def _draw(
    ax: Axes,
    panel: Panel,
    weights: Float[np.ndarray, " x"],
    biases: Float[np.ndarray, " y"],
    values: Float[np.ndarray, "y x"],
) -> None:
    mesh = ax.pcolormesh(weights, biases, values, norm=panel.norm, cmap=COLOUR_MAP, shading="nearest", rasterized=True)
    assert ax.figure is not None
    ax.figure.colorbar(mesh, ax=ax, extend="both" if isinstance(panel.norm, LogNorm) else "neither")
    shown = np.where(np.isfinite(values), values, 1e6 if isinstance(panel.norm, LogNorm) else np.nan)
    lines = ax.contour(weights, biases, shown, levels=panel.levels, colors=THEORY, linewidths=1.0)
    for label in ax.clabel(lines, fontsize="x-small"):
        label.set_path_effects(halo())
    ax.set(title=panel.title, xlim=WEIGHTS, ylim=BIASES)
