"""Fig. 4 of Yang et al. 2019: magnitudes of weights and gradients by layer in the first steps of training.

What is recorded is computed in train/monitors/layer_magnitudes.py, the slopes in layer_slopes.py; here it is drawn and
judged.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from phasemap.sweeps.figures.style import log_scale
from phasemap.sweeps.figures.trained.exhibit import Exhibit, Table, caption
from phasemap.sweeps.figures.trained.layer_slopes import LayerSeries, Slope, at_step, predicted_slope, series, slope
from phasemap.sweeps.verdict.claims.depth_scale import PAPER
from phasemap.sweeps.verdict.claims.row import Row
from phasemap.theory.plural import counted
from phasemap.train.result_types import Content

READING = (
    "Each column of panels is one depth; from left to right go the layers of the network, from input to output, "
    "and each line is one step of training. The rows show, layer by layer, the size of the weights, of the loss's "
    "gradient by what a layer computes before its activation, and of its gradient by the weights, each divided by "
    "its value at the last layer. The vertical axis is logarithmic: a straight line is an exponential, and its "
    "slope a growth rate per layer.",
    "At step 0 nothing is trained, and the slope of the gradients is the theory's: compare it with the "
    "prediction. What to look for: after one step the first layers' weights have grown by what was an exploding "
    "gradient; and because batch normalisation divides gradients by the size of the weights, the gradients then "
    "lose their slope.",
)
STEPS = LinearSegmentedColormap.from_list("steps", ["#000000", "#0d5f3c", "#35c46f"])
"""From black (step 0) to green (the last), as in the paper."""
PANELS = {
    "weight": "‖W‖",
    "output_gradient": "‖∂L/∂h‖ (pre-activations)",
    "weight_gradient": "‖∂L/∂W‖",
}
THEORY = "#d55e00"
FEWEST = 8
"""Layers that a slope needs where the first step has outweighed the weights."""
FLAT = 0.25
"""Slope, over that before training, up to which gradients count as stable."""
STRAIGHT = 0.9
"""R² from which a line of logarithms counts as exponential."""
LEVEL_WEIGHTS = 0.2
"""Greatest ln of a relative norm at which weights count as level (at width 32 those of 100 layers scatter by 0.1)."""


def draw(one: LayerSeries, quantity: str, *, ax: Axes, theory: bool = False) -> Axes:
    """One panel: the norm of every layer over that of the last, a line per step (geometric mean over seeds).

    With ``theory``, a dashed line of slope sqrt(λ_G↓) per layer towards the input, through the last layer.
    """
    relative = np.exp(one.relative(quantity).mean(0))
    layer = np.arange(1, len(one.layers) + 1)
    shade = Normalize(0, max(int(one.steps[-1]), 1))
    for step, values in zip(one.steps, relative, strict=True):
        first = step == one.steps[0]
        ax.plot(layer, values, color=STEPS(shade(step)), linewidth=2.0 if first else 1.2, zorder=3 if first else 2)
    rate = predicted_slope(one.parameters)
    if theory and rate is not None:
        line = np.exp(rate * (len(layer) - layer))
        ax.plot(layer, line, color=THEORY, linestyle="--", linewidth=1.4, zorder=4)
    ax.axhline(1, color="#b0b0b4", linewidth=0.6, zorder=0)
    ax.set_xlim(1, len(layer))
    log_scale(ax)
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0.3), max(high, 10))  # a level curve looks level
    return ax


def figure_4(found: Sequence[LayerSeries]) -> Figure:
    """Rows: the three quantities; columns: the depths, at one learning rate."""
    figure = Figure(figsize=(2.9 * len(found) + 1.2, 7.6), layout="constrained")
    panels = figure.subplots(len(PANELS), len(found), squeeze=False)
    for row, (quantity, label) in enumerate(PANELS.items()):
        for column, one in enumerate(found):
            ax = draw(one, quantity, ax=panels[row][column], theory=quantity != "weight")
            if row == 0:
                ax.set_title(counted(len(one.layers), "layer"))
            if column == 0:
                ax.set_ylabel(f"({'abc'[row]}) {label}\nover the last layer's")
            if row == len(PANELS) - 1:
                ax.set_xlabel("layer")
    last = max(int(one.steps[-1]) for one in found)
    bar = figure.colorbar(ScalarMappable(Normalize(0, last), STEPS), ax=panels, aspect=50, pad=0.01)
    bar.set_label("step")
    if any(predicted_slope(one.parameters) is not None for one in found):
        panels[1][0].plot([], [], color=THEORY, linestyle="--", label="theory: √λ_G a layer")
        panels[1][0].legend(loc="upper right")
    figure.suptitle(f"learning rate {found[0].parameters['lr']:g}")
    return figure


def outweighed(one: LayerSeries) -> int:
    """How many layers, counted from the input, change by more than their own size in the first step:
    η·‖∂L/∂W‖ > ‖W‖ in the geometric mean over seeds. (Plain SGD; for another optimizer this is only a measure.)"""
    change = math.log(one.parameters["lr"]) + at_step(one, "weight_gradient", 0) - at_step(one, "weight", 0)
    kept = np.flatnonzero(~(change.mean(0) > 0))
    return int(kept[0]) if len(kept) else len(one.layers)


def taken_over(one: LayerSeries) -> slice | None:
    """The outweighed layers but the first, whose input is the data; None where they are too few for a slope."""
    count = outweighed(one)
    return slice(1, count) if count >= FEWEST + 1 else None


def exhibit(contents: Sequence[Content]) -> Exhibit:
    """Fig. 4 of the results: one figure for each learning rate (and whatever else was varied)."""
    found = series(contents)
    groups: dict[str, list[LayerSeries]] = {}
    for one in found:
        rest = {name: value for name, value in one.parameters.items() if name != "depth"}
        groups.setdefault(json.dumps(rest), []).append(one)
    ordered = sorted(groups.values(), key=lambda group: group[0].parameters["lr"])
    names = ["", *(f"-{index}" for index in range(2, len(ordered) + 1))]
    judged = max(ordered, key=lambda group: max(map(outweighed, group)))
    deepest = max(judged, key=lambda one: len(one.layers))
    return Exhibit(
        figures={name: figure_4(group) for name, group in zip(names, ordered, strict=True)},
        caption=caption(contents),
        verdict=verdict(deepest),
        tables=[table([one for group in ordered for one in group])],
        sentences=rows(deepest),
        reading=READING,
    )


def verdict(one: LayerSeries) -> str:
    """In a sentence or two, of the deepest networks."""
    start = slope(at_step(one, "output_gradient", 0)[:, one.middle])
    rate = predicted_slope(one.parameters)
    theory = f" (theory: {rate:.3f})" if rate is not None else ""
    text = (
        f"Before training, the gradient by the pre-activations of {len(one.layers)} layers grows by a factor "
        f"e^{start} a layer towards the input{theory}. "
    )
    layers = taken_over(one)
    if layers is None:
        return text + "The first step outweighs too few layers to see what follows."
    after, weights = (slope(at_step(one, q, 1)[:, layers]) for q in ("output_gradient", "weight"))
    return text + (
        f"The first step, at learning rate {one.parameters['lr']:g}, outweighs"
        f" {counted(outweighed(one), 'layer')}: there the "
        f"weights now grow by e^{weights.value:.3f} a layer, and the gradients by e^{after.value:.3f}."
    )


def rows(one: LayerSeries) -> list[Row]:
    """The paper's sentences, each beside what these networks do."""
    cited = f"{PAPER}, Fig. 4 and Sec. 4"
    level = float(np.abs(one.relative("weight")[:, 0]).max())
    found = [
        Row(
            cited,
            "before learning, the norm of the weights is constant and independent of layer",
            f"all layers within {math.expm1(level):.1%} of the last one's",
            "yes" if level < LEVEL_WEIGHTS else "no",
        )
    ]
    start, rate = slope(at_step(one, "output_gradient", 0)[:, one.middle]), predicted_slope(one.parameters)
    straight = r_squared(at_step(one, "output_gradient", 0)[:, one.middle].mean(0))
    theory = f", theory {rate:.3f}" if rate is not None else ""
    found.append(
        Row(
            cited,
            "while the gradients feature exponential explosion",
            f"ln ‖∂L/∂h‖ rises by {start} a layer towards the input{theory}; R² of the line {straight:.3f}",
            "no" if straight <= STRAIGHT else _held(start, start.low),
        )
    )
    return [*found, *_after_one_step(one, cited, start)]


def _after_one_step(one: LayerSeries, cited: str, start: Slope) -> list[Row]:
    """The sentences on what the first step does; ``start`` is the slope of ‖∂L/∂h‖ before it."""
    grown = "after a single step of learning the weights grow exponentially in the depth"
    stable = "and the magnitude of the gradients is stable up to some threshold"
    vanishing = "after which it vanishes exponentially in the depth"
    layers, count = taken_over(one), outweighed(one)
    if layers is None or not (one.steps == 1).any():
        words = f"the first step outweighs {count} of {len(one.layers)} layers"
        return [Row(cited, sentence, words, "open") for sentence in (grown, stable, vanishing)]
    weights, gradients = at_step(one, "weight", 1)[:, layers], at_step(one, "output_gradient", 1)
    straight, grow, after = r_squared(weights.mean(0)), slope(weights), slope(gradients[:, layers])
    found = [
        Row(
            cited,
            grown,
            f"in the {count} outweighed layers ln ‖W‖ rises by {grow} a layer; R² {straight:.3f}",
            "no" if straight <= STRAIGHT else _held(grow, grow.low),
        )
    ]
    rest = gradients[:, count:]
    if rest.shape[1] < FEWEST:
        found.append(Row(cited, stable, f"all but {rest.shape[1]} layers are outweighed", "open"))
    else:
        kept = slope(rest)
        words = f"in the other {rest.shape[1]} layers, near the output, ln ‖∂L/∂h‖ rises by {kept} a layer"
        flat = abs(kept.value) < FLAT * abs(start.value)
        holds = "open" if not math.isfinite(kept.value) else "yes" if flat else "no"
        found.append(Row(cited, stable, f"{words}; at step 0 all rise by {start}", holds))
    found.append(
        Row(
            cited,
            vanishing,
            f"in the outweighed layers ln ‖∂L/∂h‖ changes by {after} a layer towards the input",
            _held(after, None if after.high is None else -after.high),
        )
    )
    return found


def _held(of: Slope, margin: float | None) -> str:
    """Whether a slope is on the right side of 0 by its interval, ``margin`` away; open for a single seed."""
    return "open" if of.low is None or margin is None else "yes" if margin > 0 else "no"


def r_squared(values: Float[np.ndarray, " layers"]) -> float:
    """How straight a line of logarithms is: R² of its least-squares line over the layers."""
    layer = np.arange(len(values))
    return float(np.corrcoef(layer, values)[0, 1] ** 2)


def table(found: Sequence[LayerSeries]) -> Table:
    """Per setting: slopes a layer towards the input at step 0 beside the theory's, and after the first step."""
    entries = []
    for one in found:
        rate, layers = predicted_slope(one.parameters), taken_over(one)
        entries.append(
            (
                str(len(one.layers)),
                f"{one.parameters['lr']:g}",
                "–" if rate is None else f"{rate:.3f}",
                str(slope(at_step(one, "output_gradient", 0)[:, one.middle])),
                str(slope(at_step(one, "weight_gradient", 0)[:, one.middle])),
                str(outweighed(one)),
                *(
                    "–" if layers is None else str(slope(at_step(one, q, 1)[:, layers]))
                    for q in ("weight", "output_gradient")
                ),
            )
        )
    header = (
        "layers",
        "learning rate",
        "½ ln λ_G",
        "‖∂L/∂h‖, step 0",
        "‖∂L/∂W‖, step 0",
        "outweighed layers",
        "‖W‖ there, step 1",
        "‖∂L/∂h‖ there, step 1",
    )
    title = "Slope of ln norm per layer towards the input (95% interval over seeds; step 0: middle half of the layers)"
    return Table(title, header, tuple(entries))
