"""What an experiment's report draws when it is no heat map (parameter ``picture``): figures, numbers, a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phasemap.sweeps.figures.conditions import SEPARATOR, listed, networks_in_words, training_in_words
from phasemap.theory.shown import shown
from phasemap.train.parameters import TABLE
from phasemap.train.result_types import CellResult, Content, DataDescription

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from phasemap.sweeps.verdict.claims.row import Row


@dataclass(frozen=True)
class Table:
    """Numbers in rows; the first cell of a row names it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Exhibit:
    """What one experiment shows.

    Attributes:
        figures: by what is added to the experiment's name in the file's name ("" for the main one).
        caption: what was trained, in a line. verdict: what was found, in a sentence or two.
        tables: the numbers behind it. sentences: the paper's sentences beside what was measured.
        reading: how to read it, for someone who has not read the papers, a paragraph each.
    """

    figures: Mapping[str, Figure]
    caption: str
    verdict: str
    tables: Sequence[Table]
    sentences: Sequence[Row]
    reading: Sequence[str] = ()


def data_in_words(data: DataDescription) -> str:
    """Name and sizes of a result's data set."""
    return f"{data['name']}, {data['train_size']} training and {data['test_size']} test samples"


def caption(contents: Sequence[Content]) -> str:
    """What the numbers depend on, as over a map: data set with its subsets, networks, optimizer, steps, Σ lr, seeds,
    dtype."""
    cells = [cell for content in contents for cell in content["cells"]]
    values = {
        name: sorted({one[name] for one in map(_scalars, cells) if name in one})
        for name in TABLE
        if TABLE[name].identity
    }
    values = {name: found for name, found in values.items() if found}
    steps = sorted({cell["steps"] for cell in cells if cell["outcome"] == "finished"})
    training = [training_in_words(values)]
    training += [f"{listed(steps)} steps"] if steps else []
    sums = sorted({float(f"{cell['sum_lr']:.3g}") for cell in cells})
    training += [f"Σ lr = {listed(sums)}"]
    seeds = len({cell["seed"] for cell in cells})
    runs = [f"{seeds} seed{'s' if seeds > 1 else ''}", *sorted({str(content["dtype"]) for content in contents})]
    data = "; ".join(sorted({data_in_words(content["data"]) for content in contents}))
    return shown(SEPARATOR.join([data, networks_in_words(values), ", ".join(training), ", ".join(runs)]))


def _scalars(cell: CellResult) -> dict[str, Any]:
    return {name: value for name, value in cell["parameters"].items() if value is not None}
