"""Fig. 1 of Yang et al. 2019: theory against sampled networks, backward (a, b) and the breaking of symmetry (c, d)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import brentq

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, bsb1_inputs, sample_networks
from phasemap.models.sampling.rates import Estimate, backward_rate, gradient_explosion_rate, log_growth, probe_gradient
from phasemap.sweeps.figures.theory_only.bn_common import COLOURS, THEORY_LINE, Scale, batch_colours, small_print
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record

Array = NDArray[np.float64]
BATCH_SIZES = (6, 8, 12, 16, 24, 32, 48, 64, 96)
PROFILE_BATCH_SIZES = (4, 8, 32, 128)
PROFILE_DEPTH = 40
BREAKING_BATCH_SIZE = 10
BREAKING_DEPTH = 50
ALPHAS = (1.0, 1.1, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.5, 1.55, 1.6, 1.7, 1.8, 1.9, 2.0, 2.2)
PHASES = (2.0, 1.0)  # the representatives in (d)


@dataclass(frozen=True)
class Breaking:
    """Spread of the covariance's entries at one α: variance over entries, in units of the squared mean diagonal."""

    diagonal: Float[np.ndarray, " K"]
    off_diagonal: Float[np.ndarray, " K"]


def fixed_point_inputs(batch_size: int, width: int) -> Float[torch.Tensor, "B N"]:
    """Orthogonal inputs that have the spread μ* of ReLU's BSB1 fixed point, so that no layer is special."""
    return batchnorm_record(activation("relu"), batch_size)["mu_star"] ** 0.5 * bsb1_inputs(batch_size, width)


def measure_eigenvalues(scale: Scale, batch_sizes: Sequence[int] = BATCH_SIZES) -> dict[str, list[Estimate]]:
    """λ_G↓ over 19 layers, and λ_L↓, λ_M↓ as the response to a gradient with such a part, for ReLU."""
    relu = torch_activation("relu")
    found: dict[str, list[Estimate]] = {"G": [], "L": [], "M": []}
    for size in batch_sizes:
        inputs = fixed_point_inputs(size, scale.width)
        law = NetworkLaw(relu, scale.width, 20)
        found["G"].append(
            gradient_explosion_rate(sample_networks(law, inputs, networks=scale.networks, seed=scale.seed))
        )
        for part in ("L", "M"):
            sample = sample_networks(
                NetworkLaw(relu, scale.width, 6),
                inputs,
                networks=scale.networks,
                seed=scale.seed,
                top=probe_gradient(size, part),
            )
            found[part].append(backward_rate(sample, part, layers=3))
    return found


def draw_eigenvalues(
    found: dict[str, list[Estimate]], *, ax: Axes, batch_sizes: Sequence[int] = BATCH_SIZES, title: str = ""
) -> Axes:
    """(a): backward eigenvalues over the batch size; lines and bands: networks ± 1 sd; dashed: theory."""
    dense = np.unique(np.geomspace(min(batch_sizes), max(batch_sizes), 40).round()).astype(int)
    theory = [batchnorm_record(activation("relu"), int(size))["backward"] for size in dense]
    for part, estimates in found.items():
        value = np.array([e.value for e in estimates])
        spread = np.array([e.spread for e in estimates])
        ax.fill_between(batch_sizes, value - spread, value + spread, color=COLOURS[part], alpha=0.22, linewidth=0)
        ax.plot(batch_sizes, value, color=COLOURS[part], marker="o", markersize=3.5, label=f"λ_{part}↓")
        ax.plot(dense, [t[part] for t in theory], **THEORY_LINE)
    ax.axhline(1, color="#b0b0b4", linewidth=0.8, zorder=0)
    ax.set_xscale("log")
    ax.set_xticks([6, 8, 16, 32, 64], labels=["6", "8", "16", "32", "64"])
    ax.minorticks_off()
    ax.plot([], [], **THEORY_LINE, label="theory (Thm 3.10, G.12)")
    ax.legend()
    ax.set(xlabel="batch size B", ylabel="eigenvalue per layer", title=title or "(a) backward eigenvalues, ReLU")
    return ax


def measure_profiles(scale: Scale, batch_sizes: Sequence[int] = PROFILE_BATCH_SIZES) -> dict[int, Array]:
    """ln(|δ^l|²/|δ^L|²) for l = 1 … L, per network (K × L), for each batch size."""
    profiles = {}
    for size in batch_sizes:
        law = NetworkLaw(torch_activation("relu"), scale.width, PROFILE_DEPTH)
        sample = sample_networks(law, fixed_point_inputs(size, scale.width), networks=scale.networks, seed=scale.seed)
        growth = log_growth(sample)[:, ::-1].cumsum(1)[:, ::-1]
        profiles[size] = np.concatenate([growth, np.zeros((len(growth), 1))], axis=1)
    return profiles


def draw_profiles(profiles: dict[int, Array], *, ax: Axes, title: str = "") -> Axes:
    """(b): squared gradient over the layer, in decades; lines and bands: mean logarithm ± 1 sd; dashed: theory."""
    for (size, log), colour in zip(profiles.items(), batch_colours(len(profiles)), strict=True):
        layers = np.arange(1, log.shape[1] + 1)
        decades = log / np.log(10)
        mean, spread = decades.mean(0), decades.std(0, ddof=1)
        ax.fill_between(layers, mean - spread, mean + spread, color=colour, alpha=0.25, linewidth=0)
        ax.plot(layers, mean, color=colour, label=f"B = {size}")
        rate = batchnorm_record(activation("relu"), size)["backward"]["G"]
        ax.plot(layers, (layers[-1] - layers) * np.log10(rate), **THEORY_LINE)
    ax.plot([], [], **THEORY_LINE, label="theory, λ_G^(L−l)")
    ax.legend()
    ax.set(xlabel="layer l", ylabel="log₁₀ |δ^l|² / |δ^L|²", title=title or "(b) gradients, ReLU")
    return ax


def transition(batch_size: int) -> float:
    """The α above which the BSB1 fixed point of max(z, 0)^α is unstable: λ_L↑ = 1."""

    def excess(alpha: float) -> float:
        return float(batchnorm_record(activation("alpha-relu", alpha=alpha), batch_size)["forward"]["L"]) - 1

    return float(brentq(excess, 1.0, 4.0, xtol=1e-8))


def measure_breaking(
    scale: Scale, alphas: Sequence[float] = ALPHAS, *, depth: int = BREAKING_DEPTH
) -> tuple[dict[float, Breaking], dict[float, Array]]:
    """The spread of Σ^L's entries for each α, and the first network's Σ^L (mean diagonal 1)."""
    spreads, examples = {}, {}
    size = BREAKING_BATCH_SIZE
    off = ~np.eye(size, dtype=bool)
    for alpha in alphas:
        law = NetworkLaw(torch_activation("alpha-relu", alpha=alpha), scale.width, depth)
        sample = sample_networks(
            law, bsb1_inputs(size, scale.width), networks=scale.networks, seed=scale.seed, backward=False
        )
        sigma = sample.forward[:, -1]
        diagonal = np.diagonal(sigma, axis1=1, axis2=2)
        sigma = sigma / diagonal.mean(1)[:, None, None]
        spreads[alpha] = Breaking(np.diagonal(sigma, axis1=1, axis2=2).var(1), sigma[:, off].var(1))
        examples[alpha] = sigma[0]
    return spreads, examples


def draw_breaking(spreads: dict[float, Breaking], *, ax: Axes, title: str = "") -> Axes:
    """(c): the entries' variance over α, mean ± 1 sd over networks, with the theory's transition."""
    alphas = np.array(list(spreads))
    for name, label, colour in (
        ("diagonal", "diagonal", COLOURS["L"]),
        ("off_diagonal", "off the diagonal", COLOURS["M"]),
    ):
        values = np.array([getattr(s, name) for s in spreads.values()])
        mean, spread = values.mean(1), values.std(1, ddof=1)
        ax.fill_between(
            alphas, np.maximum(mean - spread, mean / 10), mean + spread, color=colour, alpha=0.22, linewidth=0
        )
        ax.plot(alphas, mean, color=colour, label=label)
    edge = transition(BREAKING_BATCH_SIZE)
    ax.axvline(edge, **THEORY_LINE)
    ax.annotate(
        f"λ_L↑ = 1 at α = {edge:.3f}",
        (edge, 0.97),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        va="top",
        ha="right",
        fontsize="small",
    )
    ax.legend(loc="center right")
    ax.set_yscale("log")
    ax.set(
        xlabel="α of max(z, 0)^α",
        ylabel="variance of Σ's entries / (mean diagonal)²",
        title=title or f"(c) BSB1 → BSB2, B = {BREAKING_BATCH_SIZE}",
    )
    return ax


def draw_covariance(sigma: Float[np.ndarray, "B B"], *, ax: Axes, title: str) -> Axes:
    """(d): one covariance matrix, its samples sorted by their norm, in units of its largest entry."""
    order = np.argsort(-np.diagonal(sigma))
    ax.imshow(sigma[np.ix_(order, order)] / sigma.max(), cmap="viridis", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize="medium")
    return ax


def draw_phases(examples: dict[float, Array], *, figure: Figure, place: tuple[Axes, Axes]) -> None:
    """(d): both phases, with one colour bar."""
    for ax, alpha, phase in zip(place, PHASES, ("BSB2", "BSB1"), strict=True):
        draw_covariance(examples[alpha], ax=ax, title=f"(d) {phase}, α = {alpha:g}")
    figure.colorbar(place[0].images[0], ax=list(place), label="Σ / largest entry", location="bottom", shrink=0.7)


def figure_1(*, networks: int = 20, width: int = 1000, seed: int = 0) -> Figure:
    """All four panels."""
    scale = Scale(networks, width, seed)
    figure = Figure(figsize=(10, 8), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    draw_eigenvalues(measure_eigenvalues(scale), ax=figure.add_subplot(grid[0, 0]))
    draw_profiles(measure_profiles(scale), ax=figure.add_subplot(grid[0, 1]))
    spreads, examples = measure_breaking(scale)
    draw_breaking(spreads, ax=figure.add_subplot(grid[1, 0]))
    right = grid[1, 1].subgridspec(1, 2)
    draw_phases(examples, figure=figure, place=(figure.add_subplot(right[0]), figure.add_subplot(right[1])))
    small_print(figure, scale.note("bands: ± 1 standard deviation of one network"))
    return figure


def figure_1a(*, networks: int = 20, width: int = 1000, seed: int = 0) -> Figure:
    """Panel (a)."""
    scale = Scale(networks, width, seed)
    return _alone(scale, lambda ax: draw_eigenvalues(measure_eigenvalues(scale), ax=ax))


def figure_1b(*, networks: int = 20, width: int = 1000, seed: int = 0) -> Figure:
    """Panel (b)."""
    scale = Scale(networks, width, seed)
    return _alone(scale, lambda ax: draw_profiles(measure_profiles(scale), ax=ax))


def figure_1c(*, networks: int = 20, width: int = 1000, seed: int = 0) -> Figure:
    """Panel (c)."""
    scale = Scale(networks, width, seed)
    return _alone(scale, lambda ax: draw_breaking(measure_breaking(scale)[0], ax=ax))


def figure_1d(*, networks: int = 1, width: int = 1000, seed: int = 0) -> Figure:
    """Panel (d)."""
    scale = Scale(networks, width, seed)
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_phases(measure_breaking(scale, PHASES)[1], figure=figure, place=(left, right))
    small_print(figure, scale.note("the first one is shown" if networks > 1 else ""))
    return figure


def _alone(scale: Scale, draw: Callable[[Axes], Axes]) -> Figure:
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    draw(figure.add_subplot())
    small_print(figure, scale.note("bands: ± 1 standard deviation of one network"))
    return figure
