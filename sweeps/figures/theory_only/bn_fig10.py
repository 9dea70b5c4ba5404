"""Fig. 10 of Yang et al. 2019: why everything but the linear part of φ makes the BSB1 fixed point unstable on L.

λ_L↑ = Σ (a_l²·w_l + a_l·a_(l+2)·u_l)/Σ a_l²·v_l (Thm F.22): degree l pushes λ_L↑ above 1 where w_l > v_l.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import eval_gegenbauer

from phasemap.sweeps.figures.theory_only.bn_common import batch_colours

Array = NDArray[np.float64]
DEGREES = (1, 2, 3, 4, 5, 6, 8, 10)
BATCH_SIZES = np.arange(5, 61)


def norm_coefficient(batch_size: Float[np.ndarray, " n"], degree: int) -> Float[np.ndarray, " n"]:
    """v_(B−1,l), the weight of degree l in μ* (Thm F.22)."""
    b, order = batch_size, (batch_size - 3) / 2
    gap = eval_gegenbauer(degree, order, 1.0) - eval_gegenbauer(degree, order, -1 / (b - 1))
    coefficient: Array = (b - 3 + 2 * degree) / (b - 3) * gap
    return coefficient


def response_coefficient(batch_size: Float[np.ndarray, " n"], degree: int) -> Float[np.ndarray, " n"]:
    """w_(B−1,l), the weight of degree l in μ*·λ_L↑ (Thm F.22)."""
    b, order, l = batch_size, (batch_size - 3) / 2, degree  # noqa: E741 (the paper's letter)
    gap = eval_gegenbauer(l, order, 1.0) - 2 * (b - 1) / (b - 2) * eval_gegenbauer(l, order, -1 / (b - 1))
    coefficient: Array = l * (b - 3 + l) * (b - 3 + 2 * l) / ((b - 5 + 2 * l) * (b - 1 + 2 * l)) * gap
    return coefficient


def draw(*, ax: Axes, relative: bool = False, title: str = "") -> Axes:
    """w − v over B, one line per degree; with ``relative``, (w − v)/v, which is λ_L↑ − 1 of that degree alone."""
    size = BATCH_SIZES.astype(float)
    for degree, colour in zip(DEGREES, batch_colours(len(DEGREES)), strict=True):
        norm = norm_coefficient(size, degree)
        gap = response_coefficient(size, degree) - norm
        ax.plot(size, gap / norm if relative else gap, color=colour, marker=".", markersize=3, label=f"l = {degree}")
    ax.axhline(0, color="#1b1b1c", linewidth=0.8)
    ax.axvline(10, color="#b0b0b4", linewidth=0.8, linestyle=":", zorder=0)
    if not relative:
        ax.set_yscale("symlog", linthresh=1.0)
        ax.set_ylim(bottom=-300)
    ax.set(xlabel="batch size B", ylabel="(w − v)/v" if relative else "w − v", title=title)
    return ax


def figure_10() -> Figure:
    """The paper's panel, and the same in units of v; needs no networks."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw(ax=left, title="w − v, positive for l ≥ 2 from B = 10 on")
    draw(ax=right, relative=True, title="in units of v: λ_L↑ − 1 of a pure degree")
    right.legend(ncols=2)
    return figure
