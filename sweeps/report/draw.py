"""From sources to what is drawn of them: the page of a map or of an exhibit, or its picture alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phasemap.sweeps.figures.catalogue import exhibit
from phasemap.sweeps.figures.style import PICTURES, SCREEN, Look, save_as, styled
from phasemap.sweeps.phase_map.view import View
from phasemap.sweeps.sources.names import home
from phasemap.sweeps.sources.open_map import WHOLE, map_of, open_results
from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store.gc_pause import kept
from phasemap.theory.errors import InputError
from phasemap.train.presentation import HEAT_MAP
from phasemap.train.whole_file import within

PAGES = ("html", "htm")


@kept()  # to the end: what was read stays, and every search would go through all of it
def draw(
    sources: Sequence[str], *, out: Path | None, look: Look = SCREEN, view: View = WHOLE, pdf: bool = True
) -> Path:
    """Draws the report of all ``sources`` together; its path.

    Args:
        out: a page, or with the suffix of a picture (pdf, png, svg) that of the map alone; by default ``report.html``
            in the first folder, or in ``runs/SWEEP`` for a W&B sweep.
        look: of the pictures of a map; an exhibit has its style.
        view: which map is made of what is there; with an axis a map is drawn of an exhibit's results, too.
        pdf: whether the figures beside the page are to be there as PDF, too, which takes a while.

    Raises:
        InputError: a source cannot be read, there is nothing to draw, or a suffix of neither.
    """
    kind = kind_of(out)
    found = open_results(sources, view)
    target = out or home(sources[0]) / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    picture = HEAT_MAP if view.has_axes else _picture(found)
    if kind in PICTURES:
        return _draw_picture(picture, found, target, look)
    figures = within(target.parent, "figures")
    if picture != HEAT_MAP:
        return _draw_exhibit(picture, found, target, figures, look.style, pdf)
    from phasemap.sweeps.report.map_page import write

    return write(
        map_of(found),
        out=target,
        figures_dir=figures,
        contents=found.contents,
        provenance=found.provenance,
        experiment_yaml=found.experiment.text() if found.experiment else None,
        look=look,
        pdf=pdf,
    )


def kind_of(out: Path | None, kinds: Sequence[str] = (*PAGES, *PICTURES)) -> str:
    """What is asked for by the suffix of a file: one of ``kinds``.

    Raises:
        InputError: it has another suffix or none, or is a folder.
    """
    if out is None:
        return kinds[0]
    kind = out.suffix[1:].lower()
    if out.is_dir():
        raise InputError(f"--out {out}: is a folder; expected a file in it, such as {out / 'report.html'}")
    if kind not in kinds:
        expected = ", ".join(f".{one}" for one in kinds if one != "htm")
        raise InputError(f"--out {out}: expected a name that ends in one of {expected}")
    return kind


def _picture(found: Results) -> str:
    """What the experiment's report draws, or, where no source says, what its first result asks for."""
    given = found.experiment.parameters if found.experiment else found.contents[0]["parameters"]
    return str(given.get("picture", HEAT_MAP))


def _draw_picture(picture: str, found: Results, target: Path, look: Look) -> Path:
    if picture == HEAT_MAP:
        from phasemap.sweeps.report.map_page import picture as map_picture

        return save_as(map_picture(map_of(found), look=look), target, look.style)
    from phasemap.sweeps.report.exhibit_page import drawn_exhibit

    with styled(look.style):
        figures = drawn_exhibit(exhibit(picture), found.contents).figures
    if len(figures) > 1:
        raise InputError(f"--out {target}: {picture} has {len(figures)} pictures: expected a page, .html, for all")
    (figure,) = figures.values()
    return save_as(figure, target, look.style)


def _draw_exhibit(picture: str, found: Results, target: Path, figures: Path, style: str, pdf: bool) -> Path:
    from phasemap.sweeps.report.exhibit_page import write

    contents, experiment = found.contents, found.experiment
    cells = sum(len(content["cells"]) for content in contents)
    return write(
        exhibit(picture),
        name=str(found.presentation["experiment"]),
        out=target,
        figures_dir=figures,
        contents=contents,
        provenance=found.provenance,
        missing=max(len(found.expected_cells) - cells, 0) if found.expected_cells is not None else 0,
        experiment_yaml=experiment.text() if experiment else None,
        style=style,
        pdf=pdf,
    )
