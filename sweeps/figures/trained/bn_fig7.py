"""Fig. 7 of Yang et al. 2019: relative gradient norms ‖∇L‖/‖θ‖ of weights and BN scales in layer order, by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from phasemap.sweeps.figures.style import log_scale
from phasemap.sweeps.figures.trained.exhibit import Exhibit, Table, caption
from phasemap.sweeps.figures.trained.layer_slopes import LayerSeries, Slope, mean, series, slope
from phasemap.sweeps.verdict.claims.depth_scale import PAPER
from phasemap.sweeps.verdict.claims.row import Row
from phasemap.train.result_types import Content

READING = (
    "From left to right go the layers of a VGG19 network in their order; the height is the norm of the loss's "
    "gradient by a layer's parameters divided by the norm of the parameters: the part of itself by which a step "
    "moves the layer. The panels are taken some epochs apart; the weights W and batch normalisation's scale γ are "
    "shown apart.",
    "What to look for: at first the layers differ by orders of magnitude, the exploding gradient of "
    "initialisation. If training finds its own balance the lines flatten, and the spread of their logarithms, "
    "which the table gives, shrinks.",
)
SPACINGS = (3, 5, 10)
CURVES = 6
"""Most curves in a panel."""
EQUAL = math.log(2)
"""Standard deviation over the layers, of the logarithm, up to which the norms count as approximately equal."""
JUDGED = 10
"""The epoch after which the paper finds them so."""


def shown(one: LayerSeries) -> list[int]:
    """The layers of the figure: all but the read-out, which has no BN, and what was not trained (a frozen γ)."""
    trained = np.isfinite(one.log["weight_gradient"]).any((0, 1))
    return [place for place, name in enumerate(one.layers) if name != "head" and trained[place]]


def scales(one: LayerSeries) -> list[bool]:
    """For each layer shown, whether it is a BN scale γ: torchvision's features have it right behind its convolution."""
    names = [one.layers[place] for place in shown(one)]
    return [f"features.{int(name.rpartition('.')[2]) - 1}" in names for name in names]


def relative_gradients(one: LayerSeries) -> Float[np.ndarray, "seeds epochs layers"]:
    """ln(‖∇L‖/‖θ‖) of the layers shown."""
    return (one.log["weight_gradient"] - one.log["weight"])[:, :, shown(one)]


def spread(values: Float[np.ndarray, "seeds epochs layers"]) -> list[Slope]:
    """Per epoch: the standard deviation over the layers, its mean over seeds with an interval; NaN where a network has
    diverged."""
    each = np.ma.masked_invalid(values).std(axis=2).filled(np.nan)
    return [mean(each[:, epoch]) for epoch in range(each.shape[1])]


def draw(one: LayerSeries, spacing: int, *, ax: Axes) -> Axes:
    """One panel: a curve every ``spacing`` epochs, from dark to light blue (geometric mean over seeds)."""
    values = np.exp(relative_gradients(one).mean(0))
    epochs = range(0, len(values), spacing)[:CURVES]
    colours = matplotlib.colormaps["Blues_r"](np.linspace(0.0, 0.7, max(len(epochs), 2)))
    place, scale = np.arange(values.shape[1]), np.array(scales(one))
    for epoch, colour in zip(epochs, colours, strict=False):
        ax.plot(place, values[epoch], color=colour, linewidth=1.3, label=f"epoch {epoch}")
        ax.plot(place[~scale], values[epoch][~scale], "s", color=colour, markersize=3)
        ax.plot(place[scale], values[epoch][scale], "o", color=colour, markersize=3.5, markerfacecolor="#ffffff")
    log_scale(ax)
    ax.set(title=f"every {spacing} epochs", xlabel="layer order (■ W, ○ γ)")
    ax.legend(ncols=2)
    return ax


def figure_7(one: LayerSeries) -> Figure:
    """The three panels."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    panels = figure.subplots(1, len(SPACINGS), sharey=True)
    for ax, spacing in zip(panels, SPACINGS, strict=True):
        draw(one, spacing, ax=ax)
    panels[0].set_ylabel("‖∇L‖ / ‖θ‖")
    return figure


def exhibit(contents: Sequence[Content]) -> Exhibit:
    """Fig. 7 of the results; a setting beyond the first gets a figure of its own."""
    found = series(contents)
    names = ["", *(f"-{index}" for index in range(2, len(found) + 1))]
    one = found[0]
    return Exhibit(
        figures={name: figure_7(each) for name, each in zip(names, found, strict=True)},
        caption=caption(contents),
        verdict=verdict(one),
        tables=[table(one), scores(contents)],
        sentences=rows(one),
        reading=READING,
    )


def kinds(one: LayerSeries) -> dict[str, Float[np.ndarray, "seeds epochs some"]]:
    """The relative gradients of the weights W, and of the scales γ if they were trained."""
    values, scale = relative_gradients(one), np.array(scales(one))
    parts = {"W": values[:, :, ~scale], "γ": values[:, :, scale]}
    return {name: part for name, part in parts.items() if part.shape[2]}


def gap(one: LayerSeries) -> list[Slope]:
    """Per epoch: the mean over W less the mean over γ; empty if the γ were not trained."""
    parts = kinds(one)
    if len(parts) < 2:
        return []
    each = parts["W"].mean(2) - parts["γ"].mean(2)
    return [mean(each[:, epoch]) for epoch in range(each.shape[1])]


def verdict(one: LayerSeries) -> str:
    """The spread as a factor, at the start and at the end: over all layers, and of each kind of parameter by itself."""
    whole, apart = spread(relative_gradients(one)), gap(one)

    def change(of: Sequence[Slope]) -> str:
        return " → ".join(f"{math.exp(at.value):.1f}" if math.isfinite(at.value) else "–" for at in (of[0], of[-1]))

    alone = "; ".join(f"among the {name} alone by {change(spread(part))}" for name, part in kinds(one).items())
    return (
        f"From the start to epoch {len(whole) - 1}, ‖∇L‖/‖θ‖ differs from layer to layer (standard deviation of the "
        f"logarithm, as a factor) by {change(whole)}; {alone}. "
        + (f"W and γ are apart by a factor of {change(apart)}." if apart else "The γ were not trained.")
    )


def rows(one: LayerSeries) -> list[Row]:
    """The caption's sentences beside what these networks do."""
    cited = f"{PAPER}, Fig. 7"
    values, start = relative_gradients(one), slope(kinds(one)["W"][:, 0])
    held = "open" if start.low is None else "yes" if start.low > 0 else "no"
    found = [
        Row(
            cited,
            "gradient explosion initially",
            f"at the start ln ‖∇L‖/‖W‖ rises by {start} a layer to the input",
            held,
        )
    ]
    sentence = "after 10 epochs, the relative gradient norms of both γ and W for all layers become approximately equal"
    spreads = spread(values)
    if len(spreads) <= JUDGED:
        return [*found, Row(cited, sentence, f"recorded to epoch {len(spreads) - 1} only", "open")]
    at, first = spreads[JUDGED], spreads[0]
    measured = f"the spread of their logarithms is {at} at epoch {JUDGED}, {first} at the start"
    per_epoch = int(one.steps[1]) if len(one.steps) > 1 else 0
    measured += f"; an epoch is {per_epoch} steps"
    holds = "open" if not math.isfinite(at.value) else "yes" if at.value <= EQUAL else "no"
    return [*found, Row(cited, sentence, measured, holds)]


def table(one: LayerSeries) -> Table:
    """Per epoch: the spread over all layers, over W and over γ, and the distance of their means."""
    values = relative_gradients(one)
    columns = {"all layers": spread(values), **{name: spread(part) for name, part in kinds(one).items()}}
    if apart := gap(one):
        columns["mean of W less mean of γ"] = apart
    entries = tuple((str(epoch), *(str(part[epoch]) for part in columns.values())) for epoch in range(values.shape[1]))
    title = "Spread of ln ‖∇L‖/‖θ‖ over the layers (standard deviation; 95% interval over seeds)"
    return Table(title, ("epoch", *columns), entries)


def scores(contents: Sequence[Content]) -> Table:
    """Loss and accuracy after each epoch, mean over the networks."""
    cells = [cell for content in contents for cell in content["cells"]]
    lines: list[Mapping[str, Any]] = [cell["epochs"] for cell in cells if "epochs" in cell]
    entries = []
    for place, epoch in enumerate(lines[0]["epoch"] if lines else ()):
        found = [[line[key][place] for line in lines if place < len(line[key])] for key in SCORES]
        entries.append((f"{epoch:g}", *(_average([value for value in part if value is not None]) for part in found)))
    return Table("Epoch by epoch, mean over networks", ("epoch", *SCORES.values()), tuple(entries))


SCORES = {
    "train_loss": "training loss",
    "train_accuracy": "training accuracy",
    "test_loss": "test loss",
    "test_accuracy": "test accuracy",
}


def _average(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f}" if values else "–"
