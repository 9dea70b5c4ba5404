"""The report of an experiment that is no heat map: its figures, the verdict, the paper's sentences, the numbers."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phasemap.sweeps.figures.catalogue import Figure
from phasemap.sweeps.figures.conditions import in_lines
from phasemap.sweeps.figures.style import save_png, styled
from phasemap.sweeps.figures.trained.exhibit import Exhibit, Table, data_in_words
from phasemap.sweeps.report.tables import duration
from phasemap.sweeps.report.templates import figure_stem, index_entry, inline, lead, write_page
from phasemap.train.result_types import Content

A_LINE = 17
"""Characters of a caption's line that fit an inch."""


def write(
    figure: Figure,
    *,
    name: str,
    out: Path,
    figures_dir: Path,
    contents: Sequence[Content],
    provenance: Sequence[Mapping[str, Any]],
    missing: int,
    experiment_yaml: str | None,
    style: str = "report",
    pdf: bool = False,
) -> Path:
    """Writes ``out`` (one page that needs no other file) and ``figures_dir``/NAME….png.

    Args:
        figure: a trained one of the catalogue. name: of the experiment.
        missing: cells of the experiment that have no result.
        pdf: whether there are to be PDFs.

    Returns:
        ``out``.

    Raises:
        InputError: the results do not hold what the exhibit shows.
    """
    with styled(style):
        drawn = drawn_exhibit(figure, contents)
        stem = figure_stem(name, out)
        written = [save_png(one, figures_dir / f"{stem}{part}", style, pdf=pdf) for part, one in drawn.figures.items()]
    return write_page(
        out,
        "exhibit.html",
        name=name,
        caption=drawn.caption,
        lead=lead(name, experiment_yaml),
        verdict=drawn.verdict,
        figures=[f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}" for png in written],
        sentences=drawn.sentences,
        tables=[*drawn.tables, _outcomes(contents, missing), _origins(contents, provenance)],
        experiment_yaml=experiment_yaml,
        index_entry=index_entry(name, drawn.caption, drawn.verdict, out, written[0]),
        reading=drawn.reading,
        css=inline("report.css"),
    )


def drawn_exhibit(figure: Figure, contents: Sequence[Content]) -> Exhibit:
    """The exhibit, each of its pictures with what it depends on below. Raises InputError as `write`."""
    drawn: Exhibit = figure.load()(contents)
    for one in drawn.figures.values():
        one.supxlabel(in_lines(drawn.caption, int(one.get_figwidth() * A_LINE)), fontsize="x-small")
    return drawn


def _outcomes(contents: Sequence[Content], missing: int) -> Table:
    counts = Counter(cell["outcome"] for content in contents for cell in content["cells"])
    named = {name: counts[name] for name in ("finished", "diverged", "dead")} | {"missing": missing}
    return Table("Cells (one per seed)", ("outcome", "cells"), tuple((name, str(n)) for name, n in named.items()))


def _origins(contents: Sequence[Content], provenance: Sequence[Mapping[str, Any]]) -> Table:
    def all_of(values: Sequence[Any]) -> str:
        return ", ".join(sorted({"–" if value is None else str(value) for value in values}))

    rows = [
        ("data", all_of([f"{data_in_words(c['data'])}, digest {c['data']['digest']}" for c in contents])),
        ("seeds", all_of([cell["seed"] for content in contents for cell in content["cells"]])),
        ("dtype", all_of([content["dtype"] for content in contents])),
        ("Σ lr", all_of([f"{cell['sum_lr']:.3g}" for content in contents for cell in content["cells"]])),
        ("device", all_of([one.get("device") for one in provenance])),
        ("commit", all_of([one.get("commit") for one in provenance])),
        ("training time, all tiles together", duration(sum(float(one.get("wall_time") or 0) for one in provenance))),
        ("versions", all_of([json.dumps(one.get("versions", {}))[1:-1].replace('"', "") for one in provenance])),
    ]
    return Table("Where the numbers come from", ("", ""), tuple(rows))
