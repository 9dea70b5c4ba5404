"""Figs. 8 and 9 of Yang et al. 2019: accuracy over learning rate and the initial β of BN, and over learning rate and ε.

Each combination has the median over its seeds; the hyperparameter that a panel does not show takes its best value
(Fig. 8) or its default (Fig. 9). Both are drawn from the same runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from phasemap.sweeps.figures.style import COLOUR_MAP, OUTCOME_COLOURS
from phasemap.sweeps.figures.trained.exhibit import Exhibit, Table, caption
from phasemap.sweeps.phase_map.axes import LABELS
from phasemap.sweeps.verdict.claims.depth_scale import PAPER
from phasemap.sweeps.verdict.claims.row import Row
from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.families.catalogue import FAMILIES
from phasemap.train.result_types import CellResult, Content

READING = (
    "Each square is one learning rate and one value of a parameter of batch normalisation (its shift β, or ε) of "
    "a VGG19 network on CIFAR; colour is the accuracy after some epochs, the median over the seeds. The parameter "
    "that is not on an axis has {value}.",
    "What to look for: which learning rates still train, and whether that range moves with β or ε. The theory "
    "says that both tame the exploding gradient of initialisation, so that larger values should bear larger "
    "learning rates.",
)
COLUMNS = 4
METRICS = {"train_accuracy": "training accuracy", "test_accuracy": "validation accuracy"}
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Rates:
    """Median accuracies over the seeds.

    Attributes:
        lr, beta, eps: the values of the grid; the first of beta and eps, the smallest, is the default.
        epochs: after which was measured.
        median: by metric; NaN where nothing was run. seeds: the fewest and the most of a combination.
    """

    lr: tuple[float, ...]
    beta: tuple[float, ...]
    eps: tuple[float, ...]
    epochs: tuple[float, ...]
    median: dict[str, Float[np.ndarray, "lr beta eps epochs"]]
    seeds: tuple[int, int]

    def map(self, metric: str, over: str, epoch: int, *, best: bool) -> Float[np.ndarray, "values lr"]:
        """Accuracy over ``over`` (beta or eps) and the learning rate after the epoch with index ``epoch``."""
        values = self.median[metric][..., epoch]
        axis = 2 if over == "beta" else 1
        if not best:
            return values.take(0, axis=axis).T
        some = np.isfinite(values).any(axis)
        return np.where(some, np.where(np.isfinite(values), values, -np.inf).max(axis), np.nan).T

    @property
    def columns(self) -> list[int]:
        """Indices of the epochs shown: the first, the last, and others evenly in the logarithm between them."""
        found = np.geomspace(1, len(self.epochs), COLUMNS).round().astype(int) - 1
        return sorted({int(place) for place in found})


def rates(contents: Sequence[Content]) -> Rates:
    """The medians of the results; a network that diverged has the accuracy of chance from then on.

    Raises:
        InputError: no network that was scored epoch by epoch, networks of different epochs, or two in one place.
    """
    cells = [
        (cell, float(content["data"]["chance"]))
        for content in contents
        for cell in content["cells"]
        if "epochs" in cell
    ]
    if not cells:
        scored = ", ".join(name for name, one in FAMILIES.items() if one.scored_by_epoch)
        raise InputError(f"picture: no result has scores epoch by epoch; they are of architecture {scored}")
    epochs = max((tuple(cell["epochs"]["epoch"]) for cell, _ in cells), key=len)
    if any(tuple(cell["epochs"]["epoch"]) != epochs for cell, _ in cells):
        raise InputError("picture: the networks were scored after different epochs")
    axes = {name: _values(name, [cell for cell, _ in cells]) for name in ("lr", "beta", "eps")}
    found: dict[tuple[int, ...], dict[int, tuple[Mapping[str, Any], float]]] = {}
    for cell, chance in cells:
        place = tuple(axes[name].index(cell["parameters"][name]) for name in axes)
        by_seed = found.setdefault(place, {})
        if cell["seed"] in by_seed:
            where = ", ".join(f"{name} {cell['parameters'][name]:g}" for name in axes)
            raise InputError(f"picture: two networks with {where}, seed {cell['seed']}: something else was varied too")
        by_seed[cell["seed"]] = (cell["epochs"], chance)
    median = {}
    for metric in METRICS:
        values = np.full((*(len(axis) for axis in axes.values()), len(epochs)), np.nan)
        for place, by_seed in found.items():
            lines = [[chance if v is None else v for v in line[metric]] for line, chance in by_seed.values()]
            values[place] = np.median(np.array(lines, dtype=float), axis=0)
        median[metric] = values
    counts = [len(by_seed) for by_seed in found.values()]
    return Rates(**axes, epochs=epochs, median=median, seeds=(min(counts), max(counts)))


def _values(name: str, cells: Sequence[CellResult]) -> tuple[float, ...]:
    """Of a parameter over all cells, ascending."""
    values: set[Any] = {cell["parameters"][name] for cell in cells}
    return tuple(sorted(values))


def draw(found: Rates, metric: str, over: str, epoch: int, *, best: bool, ax: Axes, highest: float) -> QuadMesh:
    """One heat map, its numbers written in; what was not run is hatched."""
    values = found.map(metric, over, epoch, best=best)
    ax.set_facecolor(OUTCOME_COLOURS["missing"])
    mesh = ax.pcolormesh(np.ma.masked_invalid(values), cmap=COLOUR_MAP, vmin=0, vmax=highest, edgecolors="#ffffff")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "#000000" if value > 0.6 * highest else "#ffffff"
            ax.text(column + 0.5, row + 0.5, f"{value:.2f}", color=ink, ha="center", va="center", fontsize=8)
    ax.set_xticks(np.arange(len(found.lr)) + 0.5, [f"{rate:g}" for rate in found.lr])
    levels = getattr(found, over)
    ax.set_yticks(np.arange(len(levels)) + 0.5, [f"{level:g}" for level in levels])
    return mesh


def figure_8(found: Rates, *, best: bool) -> Figure:
    """Rows: training and validation accuracy over β, then over ε; columns: epochs. One colour scale for each row."""
    lines = [(metric, over) for over in ("beta", "eps") for metric in METRICS]
    columns = found.columns
    figure = Figure(figsize=(2.7 * len(columns) + 1.6, 9.6), layout="constrained")
    panels = figure.subplots(len(lines), len(columns), squeeze=False)
    for row, (metric, over) in enumerate(lines):
        maps = [found.map(metric, over, epoch, best=best) for epoch in columns]
        finite = [value for one in maps for value in one.flat if np.isfinite(value)]
        highest = max([*finite, 1e-3])
        for column, epoch in enumerate(columns):
            ax = panels[row][column]
            mesh = draw(found, metric, over, epoch, best=best, ax=ax, highest=highest)
            if row == 0:
                ax.set_title(f"epoch {found.epochs[epoch]:g}")
            if column == 0:
                ax.set_ylabel(f"{METRICS[metric]}\n{LABELS[over]}")
            if row == len(lines) - 1:
                ax.set_xlabel(LABELS["lr"])
        figure.colorbar(mesh, ax=list(panels[row]), aspect=12, pad=0.01)
    unseen = "best over the hyperparameter not shown" if best else "the hyperparameter not shown at its default"
    figure.suptitle(f"median over seeds,\n{unseen}", fontsize="medium")
    return figure


def best_exhibit(contents: Sequence[Content]) -> Exhibit:
    """Fig. 8 of the results."""
    return _exhibit(contents, best=True)


def default_exhibit(contents: Sequence[Content]) -> Exhibit:
    """Fig. 9 of the results."""
    return _exhibit(contents, best=False)


def _exhibit(contents: Sequence[Content], *, best: bool) -> Exhibit:
    found = rates(contents)
    row = sentence(found, "Fig. 8" if best else "Fig. 9")
    return Exhibit(
        figures={"": figure_8(found, best=best)},
        caption=caption(contents),
        verdict=f"{row.measured[0].upper()}{row.measured[1:]}.",
        tables=[table(found)],
        sentences=[row],
        reading=[READING[0].format(value="the value that does best" if best else "its default value"), READING[1]],
    )


def contest(found: Rates, epoch: int, metric: str = "train_accuracy") -> dict[str, float]:
    """Best accuracy over the learning rates: of the default, of β > 0 alone, of ε above its default alone, of both."""
    values = found.median[metric][..., epoch]
    parts = {
        "default": values[:, :1, :1],
        "β > 0": values[:, 1:, :1],
        "ε larger": values[:, :1, 1:],
        "both": values[:, 1:, 1:],
    }
    return {name: float(np.nanmax(part)) for name, part in parts.items() if np.isfinite(part).any()}


def sentence(found: Rates, figure: str) -> Row:
    """The appendix's sentence beside what these networks do."""
    text = "acceleration effects, especially in initial training, due to setting ε > 0 and/or initializing β > 0"
    first, last = contest(found, 0), contest(found, len(found.epochs) - 1)
    if len(first) < 2 or "default" not in first:
        return Row(f"{PAPER}, {figure}", text, "there are no combinations to compare", "open")
    gains = [
        max(value for name, value in part.items() if name != "default") - part["default"] for part in (first, last)
    ]
    start, end = found.epochs[0], found.epochs[-1]
    words = (
        f"with β > 0 or a larger ε the best training accuracy is {gains[0]:+.3f} after epoch {start:g} "
        f"(default {first['default']:.3f}) and {gains[1]:+.3f} after epoch {end:g} (default {last['default']:.3f})"
    )
    few = found.seeds[0] < FEWEST_SEEDS
    holds = "open" if few else "yes" if gains[0] > 0 and gains[0] >= gains[1] else "no"
    words += f"; {counted(found.seeds[0], 'seed')} a combination" if few else ""
    return Row(f"{PAPER}, {figure}", text, words, holds)


def table(found: Rates) -> Table:
    """Best median accuracy over the learning rates, by epoch and by what was changed."""
    entries = []
    for epoch in found.columns:
        for metric, label in METRICS.items():
            part = contest(found, epoch, metric)
            numbers = [
                f"{part[name]:.3f}" if name in part else "–" for name in ("default", "β > 0", "ε larger", "both")
            ]
            entries.append((f"{found.epochs[epoch]:g}", label, *numbers))
    header = ("epoch", "accuracy", "default (β 0, smallest ε)", "β > 0", "ε larger", "both")
    return Table("Best median accuracy over the learning rates", header, tuple(entries))
