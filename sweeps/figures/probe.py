"""A probe as a figure, and a history of probes as a heat map. What is drawn is computed in train/probe."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from phasemap.theory.errors import InputError
from phasemap.train.probe.measure import Probe
from phasemap.train.probe.rate import LEVEL, trimmed
from phasemap.train.probe.report import predicted_steps

MEASURED = "#1f5fa8"
THEORY = "#d55e00"
COSINE = "#8a4fa3"
DECADE = math.log(10)
NAMED = 24
"""Most layers that are named on an axis; more are numbered."""


def draw_gradient(found: Probe, *, ax: Axes) -> Axes:
    """log₁₀ of the gradient's norm over the layers or blocks, and the slope that the theory predicts for them.

    A predicted line goes through the measured point nearest the output of those that the rate counts: its slope is
    predicted, its height is not.
    """
    x = np.arange(1, len(found.points) + 1)
    ax.plot(x, found.log_gradient / DECADE, "o-", color=MEASURED, markersize=3.2, linewidth=1.2, label="measured")
    for one in found.comparisons:
        stretch = one.stretch
        top = stretch.first + trimmed(len(stretch.log_rates)).stop  # the point above the last step that counts
        rise = np.concatenate([[0.0], np.cumsum(stretch.log_rates)]) / 2
        line = found.log_gradient[top] + rise[top - stretch.first] - rise
        inside = x[stretch.first : stretch.last + 2]
        label = "theory" if one is found.comparisons[0] else None
        ax.plot(inside, line / DECADE, "--", color=THEORY, linewidth=1.5, label=label, zorder=4)
    ax.set_ylabel("log₁₀ ‖gradient‖")
    ax.legend(loc="best")
    return _name_points(found.points, ax)


def draw_growth(found: Probe, *, ax: Axes) -> Axes:
    """The growth of ‖gradient‖² by each step towards the input, their mean with its interval, and the theory's.

    Steps at the ends, which the rate leaves out, are hollow; where they lie outside of the panel, triangles.
    """
    growth = np.exp(np.clip(found.log_growth, -700, 700))
    x = np.arange(1, len(growth) + 1) + 0.5
    used = np.zeros(len(growth), bool)
    used[trimmed(len(growth))] = True
    predicted = np.array([math.nan if value is None else math.exp(value) for value in predicted_steps(found)])
    limits = [*growth[used], *predicted[np.isfinite(predicted)]]
    ax.plot(x[used], growth[used], "o", color=MEASURED, markersize=3.2, label="measured")
    if found.rate is not None:
        rate, ends = found.rate, found.rate.interval()
        label = f"λ_G measured: {math.exp(rate.log_rate):.4g}"
        if ends is not None:
            low, high = (math.exp(end) for end in ends)
            label += f" ({LEVEL:.0%}: {low:.4g} to {high:.4g}" + (", with finite width)" if rate.allowance else ")")
            ax.axhspan(low, high, color=MEASURED, alpha=0.16, linewidth=0)
            limits += [low, high]
        ax.axhline(math.exp(rate.log_rate), color=MEASURED, linewidth=1.1, label=label)
    if found.comparisons:
        values = {f"{math.exp(one.predicted):.4g}" for one in found.comparisons}
        ax.plot(x, predicted, "--", color=THEORY, linewidth=1.5, label="theory: " + ", ".join(sorted(values)), zorder=4)
    low, high = np.log(np.nanmin(limits, initial=math.inf)), np.log(np.nanmax(limits, initial=0.0))
    if np.isfinite([low, high]).all():
        margin = 0.08 * (high - low) + 1e-3
        bottom, top = math.exp(low - margin), math.exp(high + 5 * margin)  # room for the legend
        inside = (growth >= bottom) & (growth <= top)
        for marker, which in (("v", growth < bottom), ("^", growth > top), ("o", inside)):
            if (which & ~used).any():
                heights = np.clip(growth[which & ~used], bottom, top)
                ax.plot(
                    x[which & ~used],
                    heights,
                    marker,
                    color=MEASURED,
                    markersize=4,
                    markerfacecolor="none",
                    clip_on=False,
                )
        ax.set_ylim(bottom, top)
    ax.axhline(1, color="#8a8a8e", linewidth=0.7, zorder=0)
    _log_axis(ax)
    ax.set_ylabel("growth of ‖gradient‖²\nper step to the input")
    ax.legend(loc="upper center", ncols=2)
    return _name_points(found.points, ax)


def draw_moments(found: Probe, *, ax: Axes) -> Axes:
    """Mean square (left) and cosine between samples (right) of the activations at the same layers and blocks.

    Dashed, in the same colour, what the theory predicts for them.
    """
    x = np.arange(1, len(found.points) + 1)
    right = ax.twinx()
    ax.set_yscale("log")
    for name, colour, axis, label in (
        ("mean_square", MEASURED, ax, "mean square"),
        ("cosine", COSINE, right, "cosine between samples"),
    ):
        values = [getattr(moments, name) for moments in found.moments]
        shown = np.array([math.nan if value is None else value for value in values])
        axis.plot(x, shown, "o-", color=colour, markersize=2.6, linewidth=0.9)
        for one in found.comparisons:
            predicted, inside = getattr(one.stretch, name), x[one.stretch.first : one.stretch.last + 2]
            if predicted is not None:
                axis.plot(inside, np.full(len(inside), predicted), "--", color=colour, linewidth=1.8)
        axis.set_ylabel(label, color=colour)
    _log_axis(ax)
    right.set_ylim(-0.05, 1.05)
    return _name_points(found.points, ax)


def figure_probe(found: Probe, *, title: str = "") -> Figure:
    """Gradient norm, its growth by step, and the activations at the same layers, one below the other."""
    figure = Figure(figsize=(7.2, 8.4), layout="constrained")
    first, second, third = figure.subplots(3, 1)
    draw_gradient(found, ax=first)
    draw_growth(found, ax=second)
    draw_moments(found, ax=third)
    for ax in (first, second):  # the same layers stand below the last
        ax.xaxis.set_major_formatter(NullFormatter())
        ax.set_xlabel("")
    figure.suptitle(title, fontsize="medium")
    return figure


def draw_history(
    steps: Int[np.ndarray, " steps"],
    points: Sequence[str],
    log_gradient: Float[np.ndarray, "steps points"],
    *,
    ax: Axes,
) -> Axes:
    """Heat map of log₁₀ of the gradient's norm over layer × training step, relative to the last layer at that step.

    The three are ``SignalPropagationMonitor.history()``. Relative, as the cotangent at the output is random and fixed:
    only its way through the layers says something. Cells without a number are left blank.

    Raises:
        InputError: a history of no step, or of no layer.
    """
    if not log_gradient.size:
        raise InputError("a history without a step at which layers were probed: there is nothing to draw")
    finite = np.isfinite(log_gradient)
    last = log_gradient.shape[1] - 1 - np.argmax(finite[:, ::-1], axis=1)  # of the layers that the step has
    with np.errstate(invalid="ignore"):  # −∞ − −∞ where gradients are zero
        relative = (log_gradient - np.take_along_axis(log_gradient, last[:, None], axis=1)).T / DECADE
    edges = np.append(steps, 2 * steps[-1] - steps[-2] if len(steps) > 1 else steps[-1] + 1).astype(float)
    layers = np.arange(len(points) + 1) + 0.5
    largest = float(np.nanmax(np.abs(np.where(np.isfinite(relative), relative, np.nan)), initial=0.1))
    mesh = ax.pcolormesh(edges, layers, np.ma.masked_invalid(relative), cmap="RdBu_r", vmin=-largest, vmax=largest)
    ax.set_xlabel("training step")
    ax.set_ylabel("layer or block, from the input")
    if len(points) <= NAMED:
        ax.set_yticks(np.arange(1, len(points) + 1), points)
    ax.figure.colorbar(mesh, ax=ax, label="log₁₀ ‖gradient‖ over the last layer's")
    return ax


def _log_axis(ax: Axes) -> None:
    """A logarithmic y axis on which also a range of less than a decade has its ticks and numbers."""
    low, high = ax.get_ylim()
    low = max(low, high * 1e-12)
    locator = LogLocator(subs=(1.0, 2.0, 5.0)) if high > 6 * low else MaxNLocator(6)
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    ticks = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(_different(ticks))


def _different(ticks: Sequence[float]) -> FuncFormatter:
    """Numbers in three digits, or as many as it takes until no two ticks have the same."""
    digits = next(n for n in range(3, 18) if len({f"{tick:.{n}g}" for tick in ticks}) == len(set(ticks)))
    return FuncFormatter(lambda tick, _: f"{tick:.{digits}g}")


def _name_points(points: Sequence[str], ax: Axes) -> Axes:
    ax.set_xlim(0.5, len(points) + 0.5)
    if len(points) <= NAMED:
        ax.set_xticks(np.arange(1, len(points) + 1), points, rotation=60, ha="right", fontsize="x-small")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("layer or block, from the input")
    return ax
