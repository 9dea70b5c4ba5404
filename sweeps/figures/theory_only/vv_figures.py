"""Figures of Deep Mean Field Theory (variance and width variation) that need no training: 1, A.1, A.2, B.3, B.4.

Colours stand for the same quantity in all of them. Dashed lines are theory; where the paper shifts a dashed line to the
end of its solid line, so do these (a law known up to its constant), and the legend says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray
from scipy.special import zeta

from phasemap.sweeps.figures.style import COLOUR_MAP, halo
from phasemap.sweeps.figures.theory_only.bn_common import THEORY_LINE, small_print
from phasemap.theory.activations import activation
from phasemap.theory.plural import counted
from phasemap.theory.residual.growth_laws.decay import Decay
from phasemap.theory.residual.growth_laws.law import product_remainder
from phasemap.theory.residual.growth_laws.relu import relu_laws, v_r, w_r
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace

Array = NDArray[np.float64]
COLOURS = {"p": "#0072b2", "step": "#009e73", "log": "#d55e00", "chi": "#0072b2", "chi_w": "#cc79a7", "rest": "#009e73"}
WITH, WITHOUT = "#d55e00", "#0072b2"  # width variation, or none
P0, GAMMA0 = 1.0, 0.29  # MNIST's, behind its embedding
DASHED: dict[str, Any] = dict(THEORY_LINE)
MAPS = {
    "p": (r"p^{(L)}", "log_p"),
    "q": (r"q^{(L)}", "log_q"),
    "s": (r"s^{(L)}", "log_s"),
    "e": (r"e^{(L)}", "e"),
    "c": (r"c^{(L)}", "c"),
    "chi": (r"\chi^{(0)}/\chi^{(L)}", ""),
    "chi_a": (r"\chi_a^{(1)}/\chi_a^{(L)}", "a"),
    "chi_b": (r"\chi_b^{(1)}/\chi_b^{(L)}", "b"),
    "chi_w": (r"\chi_w^{(1)}/\chi_w^{(L)}", "w"),
    "chi_v": (r"\chi_v^{(1)}/\chi_v^{(L)}", "v"),
}
SQUASHED_RANGE = 12.0  # a logarithm that spans more than this is squashed once more
SCALED_FROM = 25  # the first layers change fast: colours and contours are chosen for L from here on


def squash(log: Array) -> Array:
    """sign(x)·log(1 + |x|) of a logarithm x = log f: the paper's log(1 + log f) where f ≥ 1."""
    squashed: Array = np.sign(log) * np.log1p(np.abs(log))
    return squashed


def map_values(trace: ResidualTrace, name: str) -> tuple[Array, str]:
    """Values over [β, l = 1 … L] and the label that says how far they are squashed."""
    label, source = MAPS[name]
    if name in ("e", "c"):
        values: Array = getattr(trace, source)[:, 1:]
        return values, f"${label}$"
    values = (getattr(trace, source) if source.startswith("log") else trace.log_gradient_ratio(source))[:, 1:]
    shown = values[:, SCALED_FROM:]
    if np.ptp(shown) <= SQUASHED_RANGE:
        return values, rf"$\log\, {label}$"
    if shown.min() < 0:
        return squash(values), rf"$\pm\log(1+|\log\, {label}|)$"
    return squash(values), rf"$\log(1+\log\, {label})$"


def _draw_maps(trace: ResidualTrace, betas: Float[np.ndarray, " betas"], x_label: str, title: str, note: str) -> Figure:
    figure = Figure(figsize=(15, 6.2), layout="constrained")
    depths = np.arange(1, trace.depth + 1)
    for ax, name in zip(figure.subplots(2, 5, sharex=True, sharey=True).flat, MAPS, strict=True):
        values, label = map_values(trace, name)
        low, high = float(values[:, SCALED_FROM:].min()), float(values[:, SCALED_FROM:].max())
        mesh = ax.pcolormesh(
            betas, depths, values.T, cmap=COLOUR_MAP, vmin=low, vmax=high, shading="gouraud", rasterized=True
        )
        levels = MaxNLocator(8).tick_values(low, high)
        lines = ax.contour(betas, depths, values.T, levels=levels, colors="white", linewidths=0.8)
        for text in ax.clabel(lines, fontsize=7.5, inline_spacing=2):
            text.set_path_effects(halo())
        figure.colorbar(mesh, ax=ax, pad=0.02)
        ax.set_title(label)
    figure.suptitle(title)
    figure.supxlabel(x_label, fontsize="medium")
    figure.supylabel("depth L (residual blocks)", fontsize="medium")
    figure.text(0.995, 0.005, note, fontsize="x-small", color="#5f5f63", ha="right", va="bottom")
    return figure


def _note(p0: float, gamma0: float) -> str:
    text = f"recurrences of Table A.2, σ = 1, p⁰ = {p0:g}, γ⁰ = {gamma0:g}"
    return f"{text}; colours and contours chosen for L > {SCALED_FROM}"


def draw_fig_a1(*, depth: int = 200, points: int = 81, p0: float = P0, gamma0: float = GAMMA0) -> Figure:
    """Fig. A.1: all quantities over the zig of a ReLU network: β_v = β_a = 0, β_w = β_b from 0 to 2."""
    betas = np.linspace(0, 2, points)
    trace = residual_recurrence(activation("relu"), depth, beta_w=betas, beta_b=betas, p0=p0, gamma0=gamma0)
    title = r"The zig, ReLU, $\beta_v = \beta_a = 0$"
    return _draw_maps(trace, betas, r"$\beta_w = \beta_b$   ($= V_r$)", title, _note(p0, gamma0))


def draw_fig_a2(*, depth: int = 200, points: int = 81, p0: float = P0, gamma0: float = GAMMA0) -> Figure:
    """Fig. A.2: all quantities over the zag of a ReLU network: β_v = 0, β_w = β_b = 2, β_a from 0 to 2."""
    betas = np.linspace(0, 2, points)
    trace = residual_recurrence(activation("relu"), depth, beta_a=betas, beta_w=2.0, beta_b=2.0, p0=p0, gamma0=gamma0)
    title = r"The zag, ReLU, $\beta_v = 0$, $\beta_w = \beta_b = 2$"
    return _draw_maps(trace, betas, r"$\beta_a$   ($= U_r$)", title, _note(p0, gamma0))


def _relu(decay: Decay, depth: int) -> ResidualTrace:
    return residual_recurrence(activation("relu"), depth, p0=P0, gamma0=GAMMA0, **vars(decay))


def _dashed(ax: Axes, layers: np.ndarray, law: np.ndarray, end: float | None = None, *, added: bool = False) -> None:
    """A law as a dashed line: as it stands, or shifted so that it ends at ``end`` (by a factor, or ``added``)."""
    if end is not None:
        law = law + (end - law[-1]) if added else law * (end / law[-1])
    ax.plot(layers, law, **DASHED, zorder=3)


def _log_axes(ax: Axes, title: str, legend: Literal["best", "upper left"] = "best") -> None:
    ax.set(xscale="log", yscale="log", xlabel="layer l", title=title)
    ax.set_xticks([10**power for power in range(5)])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(loc=legend)


def _draw_exponential(ax: Axes, log_f: Array, decay: Decay, label: str, title: str) -> None:
    """log f with its leading term as it stands, and what is left with the order of Lemma D.7's remainder, shifted."""
    layers = np.arange(1, len(log_f) + 1)
    growth, power = w_r(decay), 1 - v_r(decay)
    leading = growth / power * layers**power
    rest = np.abs(log_f - leading)
    ax.plot(layers, log_f, color=COLOURS["log"], label=rf"$\log\, {label}$")
    _dashed(ax, layers, leading)
    ax.plot(layers, rest, color=COLOURS["rest"], label=r"distance from $\frac{W_r}{1-V_r}\, l^{1-V_r}$")
    shown = layers >= 2
    order = np.exp(product_remainder(growth, v_r(decay)).log(layers[shown]))
    _dashed(ax, layers[shown], order, rest[-1])
    ax.set_ylim(bottom=0.03)
    _log_axes(ax, title, "upper left")


def draw_fig_b3(*, depth: int = 10_000) -> Figure:
    """Fig. B.3: χ⁽⁰⁾/χ⁽ˡ⁾ of ReLU networks with V_r = 0.2, 1 and 1.6 against Thm C.11."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    layers = np.arange(1, depth + 1)
    decays = [Decay(beta_w=v, beta_b=v) for v in (0.2, 1.0, 1.6)]
    ratios = [_relu(decay, depth).log_gradient_ratio()[1:] for decay in decays]
    name = r"\chi^{(0)}/\chi^{(l)}"
    _draw_exponential(axes[0], ratios[0], decays[0], name, r"(a) $V_r = 0.2$: $\exp\,\Theta(l^{0.8})$")
    axes[1].plot(layers, np.exp(ratios[1]), color=COLOURS["chi"], label=f"${name}$")
    _dashed(axes[1], layers, layers ** w_r(decays[1]), float(np.exp(ratios[1][-1])))
    _log_axes(axes[1], rf"(b) $V_r = 1$: $\Theta(l^{{W_r}})$, $W_r = {w_r(decays[1]):g}$")
    growth, power = w_r(decays[2]), v_r(decays[2])
    limit = bounded_limit(growth, power)
    axes[2].plot(layers, np.exp(ratios[2]), color=COLOURS["chi"], label=f"${name}$")
    axes[2].axhline(np.exp(limit), **DASHED)
    left = -np.expm1(ratios[2] - limit) * np.exp(limit)
    axes[2].plot(layers, left, color=COLOURS["rest"], label="its distance from the limit")
    _dashed(axes[2], layers, layers ** (1 - power), float(left[-1]))
    _log_axes(axes[2], r"(c) $V_r = 1.6$: bounded, distance $\Theta(l^{1-V_r})$")
    note = "solid: recurrences, σ = 1, β_v = β_a = 0; dashed: Thm C.11, shifted to the end on green lines and in (b)"
    small_print(figure, note)
    return figure


def bounded_limit(delta: float, beta: float, terms: int = 2000) -> float:
    """log Π_{m ≥ 1} (1 + δ·m^(−β)) for β > 1: the first terms one by one, the rest by δ's powers and Hurwitz's ζ."""
    head = float(np.log1p(delta * np.arange(1.0, terms) ** -beta).sum())
    return head + sum(-((-delta) ** n) / n * float(zeta(n * beta, terms)) for n in range(1, 5))


def draw_fig_b4(*, depth: int = 10_000) -> Figure:
    """Fig. B.4: p and Δp of ReLU networks against Thm C.9, one example for each of its five cases."""
    figure = Figure(figsize=(17, 4), layout="constrained")
    axes = figure.subplots(1, 5)
    cases: Sequence[tuple[str, Decay]] = (
        (r"(a) $V_r = 0.2$: $\exp\,\mathrm{poly}$", Decay(beta_w=0.2, beta_b=0.2)),
        (r"(b) $V_r = 1$: polynomial", Decay(beta_w=1.0, beta_b=1.0, beta_a=0.8)),
        (r"(c) $V_r = 2$, $U_r = 0.5$: polynomial", Decay(beta_w=2.0, beta_b=2.0, beta_a=0.5)),
        (r"(d) $V_r = 2$, $U_r = 1$: $\Theta(\log l)$", Decay(beta_w=2.0, beta_b=2.0, beta_a=1.0)),
        (r"(e) $V_r = 2$, $U_r = 1.5$: bounded", Decay(beta_w=2.0, beta_b=2.0, beta_a=1.5)),
    )
    for ax, (title, decay) in zip(axes, cases, strict=True):
        trace = _relu(decay, depth)
        if v_r(decay) < 1:
            _draw_exponential(ax, trace.log_p[1:], decay, "p", title)
            continue
        _draw_powers(ax, trace.p, decay)
        _log_axes(ax, title)
    note = "solid: recurrences, σ = 1, β_v = 0; dashed: Thm C.9, shifted to the end of the line (but for log p in (a))"
    small_print(figure, note)
    return figure


def _draw_powers(ax: Axes, p: Array, decay: Decay) -> None:
    """p and Δp with their laws, shifted; in the legend the law's form."""
    layers = np.arange(1, len(p))
    laws = relu_laws(decay)
    shown = layers >= 2  # log log 1 does not exist
    for name, symbol, values in (("p", "p", p[1:]), ("step", r"\Delta p", np.diff(p))):
        law = laws[name]
        form = rf"\Theta(l^{{{law.exponent:g}}})" if law.exponent else r"\Theta(1)"
        if law.log_exponent:
            form = (
                r"\log l + \mathrm{const}"
                if law.coefficient == 1
                else rf"{law.coefficient:g}\,\log l + \mathrm{{const}}"
            )
        ax.plot(layers, values, color=COLOURS[name], label=f"${symbol} = {form}$")
        known = bool(law.log_exponent)  # the coefficient of log l is known: only a constant is added
        _dashed(ax, layers[shown], np.exp(law.log(layers[shown])), float(values[-1]), added=known)


def draw_fig1(
    *,
    networks: int = 200,
    width: int = 2048,
    depth: int = 100,
    seed: int = 0,
    p0: float = P0,
    gamma0: float = GAMMA0,
) -> Figure:
    """Fig. 1: sampled tanh networks, widths halved at l = m² for m = 4 … 9, against none; means ± 1 standard deviation.

    Cost: 0.1 s a network of width 2048 and depth 100.
    """
    from phasemap.models.residual import ResidualCell
    from phasemap.models.sampling.residual import sample_residual_networks
    from phasemap.theory.residual.widths import parse_widths

    schedules = {"width halved at l = m²": f"{width}/2@m^2:4-9", "constant width": f"{width}"}
    samples = {
        name: sample_residual_networks(
            ResidualCell(depth=depth, seed=seed),
            parse_widths(text, depth),
            "tanh",
            networks=networks,
            p0=p0,
            gamma0=gamma0,
        )
        for name, text in schedules.items()
    }
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    axes = figure.subplots(1, 4)
    panels = (
        ("p", "$p$: mean square of x", "linear"),
        ("e", "$e$: cosine of two inputs", "linear"),
        ("chi", r"$\chi$ (and $\chi_a$, its equal): gradient by x", "log"),
        ("chi_w", r"$\chi_w$: gradient by w", "log"),
    )
    for ax, (name, title, scale) in zip(axes, panels, strict=True):
        for (label, text), colour in zip(schedules.items(), (WITH, WITHOUT), strict=True):
            trace = residual_recurrence(activation("tanh"), depth, widths=text, p0=p0, gamma0=gamma0)
            _draw_band(ax, samples[label].values(name), colour, label, logarithmic=scale == "log")
            ax.plot(np.arange(depth + 1), getattr(trace, name), **DASHED, zorder=4)
        for step in (m * m for m in range(4, 10) if m * m <= depth):
            ax.axvline(step, color="#c9c9cc", linewidth=0.6, zorder=0)
        ax.set(xlabel="layer l", title=title, yscale=scale, xlim=(0, depth))
    axes[0].plot([], [], **DASHED, label="theory")
    axes[0].legend(loc="upper left")
    small_print(
        figure,
        f"{counted(networks, 'tanh network')}, N⁰ = {width}, {counted(depth, 'layer')}, seed {seed}, χ⁽ᴸ⁾ = 1;"
        " bands: ± 1 standard deviation "
        "of one network's average over its coordinates; grey: where the width is halved",
    )
    return figure


def _draw_band(ax: Axes, values: Float[np.ndarray, "K layers"], colour: str, label: str, *, logarithmic: bool) -> None:
    layers = np.flatnonzero(~np.isnan(values[0]))
    mean, deviation = values[:, layers].mean(0), values[:, layers].std(0, ddof=1)
    low = mean - deviation
    if logarithmic:  # a band that reaches below zero ends at the picture's lower edge
        low = np.maximum(low, mean * 1e-2)
    ax.fill_between(layers, low, mean + deviation, color=colour, alpha=0.25, linewidth=0)
    ax.plot(layers, mean, color=colour, linewidth=1.6, label=label)
