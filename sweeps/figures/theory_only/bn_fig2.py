"""Fig. 2 of Yang et al. 2019: two nearly equal mini-batches part in a linear network with batch normalisation.

The mini-batches are points on a circle; one point is moved differently in each. They span d = 3 dimensions after
centring (the plane, and the direction in which the moved point stands out), and a linear network cannot leave them. So
what counts is not B = 64 but d: in coordinates of that space a linear layer normalises a vector of d numbers, exactly
as in a mini-batch of d + 1 samples in general position. λ_CB is that of batch size 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, sample_networks
from phasemap.models.sampling.rates import cross_batch_correlation
from phasemap.sweeps.figures.theory_only.bn_common import COLOURS, THEORY_LINE, Scale, small_print
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record

Array = NDArray[np.float64]
BATCH_SIZE = 64
DIMENSIONS = 3
DEPTH = 30
LAYERS = (0, 3, 6, 10, 15, 30)
MOVED = 0.15  # standard deviation of the moved point's displacement, in radii of the circle
PAIR = ("#0072b2", "#d55e00")


@dataclass(frozen=True)
class Parting:
    """What Fig. 2 shows.

    Attributes:
        scores: of one network, the coordinates on the two leading principal directions of both mini-batches together.
        correlation: between the two mini-batches, by network and layer.
    """

    scores: dict[int, Float[np.ndarray, "R 2"]]
    correlation: Float[np.ndarray, "K L1"]


def circles(width: int, seed: int, *, batch_size: int = BATCH_SIZE) -> Float[torch.Tensor, "R N"]:
    """Two mini-batches on one circle in R^width, with the leftmost point displaced independently in each.

    The displacement has two components in the circle's plane and one out of it, in a direction of each batch's own.
    """
    angle = 2 * np.pi * np.arange(batch_size) / batch_size
    batches = np.zeros((2, batch_size, width))
    batches[:, :, 0], batches[:, :, 1] = np.cos(angle), np.sin(angle)
    moves = MOVED * np.random.default_rng([seed, 2]).standard_normal((2, 3))
    for batch, move in enumerate(moves):
        batches[batch, batch_size // 2, [0, 1, 2 + batch]] += move
    return torch.from_numpy(np.sqrt(width) * batches.reshape(2 * batch_size, width))


def principal_scores(covariance: Float[np.ndarray, "R R"]) -> Float[np.ndarray, "R 2"]:
    """Coordinates of the rows on the two leading principal directions, from their Gram matrix alone."""
    rows = len(covariance)
    g = np.eye(rows) - 1 / rows
    values, vectors = np.linalg.eigh(g @ covariance @ g)
    scores: Array = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))
    return scores


def measure(scale: Scale) -> Parting:
    """Samples orthogonal linear networks; the first one's principal axes are turned to follow the layer before."""
    law = NetworkLaw(torch_activation("identity"), scale.width, DEPTH, weights="orthogonal")
    sample = sample_networks(
        law, circles(scale.width, scale.seed), networks=scale.networks, seed=scale.seed, groups=2, backward=False
    )
    scores: dict[int, Array] = {}
    turned = circles(scale.width, scale.seed).numpy()[:, :2]
    for layer in range(DEPTH + 1):
        here = principal_scores(sample.forward[0, layer])
        left, _, right = np.linalg.svd(here.T @ turned)  # the principal axes' signs and order are arbitrary
        turned = here @ (left @ right)
        if layer in LAYERS:
            scores[layer] = turned
    return Parting(scores, cross_batch_correlation(sample))


def draw_scores(scores: Float[np.ndarray, "R 2"], *, ax: Axes, title: str) -> Axes:
    """(a), one pane: both mini-batches on their common principal directions; a star marks the moved point."""
    for batch, colour in enumerate(PAIR):
        points = scores[batch * BATCH_SIZE : (batch + 1) * BATCH_SIZE]
        ax.scatter(points[:, 0], points[:, 1], s=7, color=colour, linewidths=0, alpha=0.8)
        moved = points[BATCH_SIZE // 2]
        ax.scatter(moved[0], moved[1], s=70, marker="*", color=colour, edgecolors="#1b1b1c", linewidths=0.6, zorder=3)
    ax.set(xticks=[], yticks=[])
    ax.margins(0.1)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_title(title, fontsize="medium")
    return ax


def draw_correlation(correlation: Float[np.ndarray, "K L1"], *, ax: Axes, title: str = "") -> Axes:
    """(b): correlation over the layer, with the theory's rates from the layer where half of it is lost."""
    layers = np.arange(correlation.shape[1])
    mean, spread = correlation.mean(0), correlation.std(0, ddof=1)
    ax.fill_between(layers, mean - spread, mean + spread, color=COLOURS["CB"], alpha=0.25, linewidth=0)
    ax.plot(layers, mean, color=COLOURS["CB"], marker="o", markersize=3, label="networks, mean ± 1 sd")
    start = int(np.argmax(mean < 0.5))
    for size, style, words in (
        (DIMENSIONS + 1, THEORY_LINE, f"the {DIMENSIONS} dimensions spanned"),
        (BATCH_SIZE, {**THEORY_LINE, "linestyle": ":"}, "samples in general position"),
    ):
        rate = float(batchnorm_record(activation("identity"), size)["cross_batch"]["rate"])
        label = f"λ_CB = {rate:.3f} (B = {size}: {words})"
        ax.plot(layers[start:], mean[start] * rate ** (layers[start:] - start), label=label, **style)
    ax.legend(loc="upper right")
    ax.set(
        xlabel="layer",
        ylabel="correlation of the two mini-batches",
        ylim=(-0.1, 1.05),
        title=title or "(b) decorrelation",
    )
    return ax


def figure_2(*, networks: int = 20, width: int = 1000, seed: int = 0) -> Figure:
    """Both panels."""
    scale = Scale(networks, width, seed)
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.25, 1))[0]
    parting = measure(scale)
    for ax, layer in zip(left.subplots(2, 3).flat, LAYERS, strict=True):
        draw_scores(parting.scores[layer], ax=ax, title=f"layer {layer}")
    left.suptitle("(a) both mini-batches, two leading principal directions", fontsize="medium")
    draw_correlation(parting.correlation, ax=right.subplots())
    small_print(figure, scale.note(f"linear, orthogonal weights, B = {BATCH_SIZE}; (a) shows the first network"))
    return figure
