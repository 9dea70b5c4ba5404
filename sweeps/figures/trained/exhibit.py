"""What an experiment's report draws when it is no heat map (parameter ``picture``): figures, numbers, a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phasemap.train.result_types import Content, DataDescription

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


def caption(contents: Sequence[Content], names: Sequence[str]) -> str:
    """Data set with sizes, the values of the parameters ``names`` over all cells, steps, seeds, dtype:
    ``digits, 1437 training and 360 test samples; width 384; batch size 128; 600 steps; 8 seeds; float32``."""
    cells = [cell for content in contents for cell in content["cells"]]
    parts = ["; ".join(sorted({data_in_words(content["data"]) for content in contents}))]
    for name in names:
        values: set[Any] = {cell["parameters"][name] for cell in cells if name in cell["parameters"]}
        if values:
            shown = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in sorted(values))
            parts.append(f"{name.replace('_', ' ')} {shown}")
    steps = sorted({cell["steps"] for cell in cells if cell["outcome"] == "finished"})
    parts += [f"{steps[0]} to {steps[-1]} steps" if len(steps) > 1 else f"{steps[0]} steps"] if steps else []
    seeds = len({cell["seed"] for cell in cells})
    parts.append(f"{seeds} seed{'s' if seeds > 1 else ''}")
    parts.append(", ".join(sorted({str(content["dtype"]) for content in contents})))
    return "; ".join(parts)
