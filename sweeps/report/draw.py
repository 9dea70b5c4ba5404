"""From sources to their report: a map's page, or an exhibit's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phasemap.sweeps.figures.catalogue import HEAT_MAP, exhibit
from phasemap.sweeps.sources.names import home
from phasemap.sweeps.sources.open_map import map_of, open_results
from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store.gc_pause import kept
from phasemap.theory.errors import InputError
from phasemap.train.whole_file import within

STYLES = ("report", "paper")


@kept()  # to the end: what was read stays, and every search would go through all of it
def draw(sources: Sequence[str], *, out: Path | None, style: str = "report") -> Path:
    """Draws the report of all ``sources`` together; the path of ``report.html``.

    ``out`` defaults to ``report.html`` in the first folder, or in ``runs/SWEEP`` for a W&B sweep.

    Raises:
        InputError: a source cannot be read, there is nothing to draw, or an unknown style.
    """
    if style not in STYLES:
        raise InputError(f"--style {style}: expected one of {', '.join(STYLES)}")
    found = open_results(sources)
    target = out or home(sources[0]) / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    figures = within(target.parent, "figures")
    if (picture := _picture(found)) != HEAT_MAP:
        return _draw_exhibit(picture, found, target, figures, style)
    from phasemap.sweeps.report.map_page import write

    return write(
        map_of(found),
        out=target,
        figures_dir=figures,
        contents=found.contents,
        provenance=found.provenance,
        experiment_yaml=found.experiment.text() if found.experiment else None,
        style=style,
    )


def _picture(found: Results) -> str:
    """What the experiment's report draws, or, where no source says, what its first result asks for."""
    given = found.experiment.parameters if found.experiment else found.contents[0]["parameters"]
    return str(given.get("picture", HEAT_MAP))


def _draw_exhibit(picture: str, found: Results, target: Path, figures: Path, style: str) -> Path:
    from phasemap.sweeps.report.exhibit_page import write

    contents, experiment = found.contents, found.experiment
    cells = sum(len(content["cells"]) for content in contents)
    return write(
        exhibit(picture),
        name=experiment.name if experiment else str(contents[0]["parameters"]["experiment"]),
        out=target,
        figures_dir=figures,
        contents=contents,
        provenance=found.provenance,
        missing=max(len(found.expected_cells) - cells, 0) if found.expected_cells is not None else 0,
        experiment_yaml=experiment.text() if experiment else None,
        style=style,
    )
