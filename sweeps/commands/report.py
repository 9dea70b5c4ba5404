"""``phasemap report`` and ``phasemap export``: results from any sources, as a report or a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from phasemap.sweeps.figures.trained.exhibit import MAP
from phasemap.sweeps.sources.gather import WANDB, gather
from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store import gc_pause as garbage
from phasemap.sweeps.store.cell_table import to_csv
from phasemap.sweeps.store.result import whole, write_text
from phasemap.theory.errors import InputError

FORMATS = ("csv", "netcdf")
STYLES = ("report", "paper")


@garbage.kept()  # to the end: what was read stays, and every search would go through all of it
def draw(sources: Sequence[str], *, out: Path | None, style: str = "report") -> Path:
    """Draws the report of all ``sources`` together; the path of ``report.html``.

    ``out`` defaults to ``report.html`` in the first folder, or in ``runs/SWEEP`` for a W&B sweep.

    Raises:
        InputError: a source cannot be read, there is nothing to draw, or an unknown style.
    """
    if style not in STYLES:
        raise InputError(f"--style {style}: expected one of {', '.join(STYLES)}")
    found = _gather(sources)
    target = out or _home(sources[0]) / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    if (picture := _picture(found)) != MAP:
        return _draw_picture(picture, found, target, style)
    from phasemap.sweeps.phase_map.from_results import build
    from phasemap.sweeps.report.map_page import write

    return write(
        build(found.contents, found.expected_cells, failed_cells=found.failed_cells),
        out=target,
        figures_dir=target.parent / "figures",
        contents=found.contents,
        provenance=found.provenance,
        experiment_yaml=found.experiment.text() if found.experiment else None,
        style=style,
    )


def index(folders: Sequence[str], *, out: Path | None) -> Path:
    """Writes one page over every report below ``folders``; ``index.html`` in the first of them by default.

    Raises:
        InputError: there are no reports.
    """
    from phasemap.sweeps.report.index_page import find, write

    reports = [report for folder in folders for report in find(Path(folder))]
    return write(reports, out=out or Path(folders[0]) / "index.html")


def _picture(found: Results) -> str:
    """What the experiment's report draws, or, where no source says, what its first result asks for."""
    given = found.experiment.parameters if found.experiment else found.contents[0]["parameters"]
    return str(given.get("picture", MAP))


def _draw_picture(picture: str, found: Results, target: Path, style: str) -> Path:
    from phasemap.sweeps.report import exhibit_page as instrument

    contents, experiment = found.contents, found.experiment
    cells = sum(len(content["cells"]) for content in contents)
    return instrument.write(
        picture,
        name=experiment.name if experiment else str(contents[0]["parameters"]["experiment"]),
        out=target,
        figures_dir=target.parent / "figures",
        contents=contents,
        provenance=found.provenance,
        missing=max(len(found.expected_cells) - cells, 0) if found.expected_cells is not None else 0,
        experiment_yaml=experiment.text() if experiment else None,
        style=style,
    )


@garbage.kept()
def export(sources: Sequence[str], *, format: str, out: Path | None) -> None:
    """Writes the cells of all ``sources`` as CSV (to standard output without ``out``) or as the phase map in netCDF.

    Raises:
        InputError: a source cannot be read, an unknown format, or netCDF without ``out`` for a W&B sweep.
    """
    if format not in FORMATS:
        raise InputError(f"--format {format}: expected one of {', '.join(FORMATS)}")
    found = _gather(sources)
    if format == "csv":
        text = to_csv(found.contents)
        if out is None:
            sys.stdout.write(text)
        else:
            _writable(out)
            write_text(out, text)
        return
    from phasemap.sweeps.phase_map.from_results import build

    target = out or _home(sources[0]) / "phase_map.nc"
    _writable(target)
    phase_map = build(found.contents, found.expected_cells, failed_cells=found.failed_cells)
    with whole(target) as temporary:
        phase_map.to_netcdf(temporary, engine="h5netcdf")
    print(target)


def _gather(sources: Sequence[str]) -> Results:
    found = gather(sources)
    for note in found.notes:
        print(f"phasemap: warning: {note}", file=sys.stderr)
    if not found.results:
        raise InputError(f"{', '.join(sources)}: there are no results yet")
    return found


def _home(source: str) -> Path:
    return Path("runs") / source.rpartition("/")[2] if source.startswith(WANDB) else Path(source)


def _writable(out: Path) -> None:
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}")
