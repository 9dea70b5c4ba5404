"""``phasemap export``: results from any sources as a table, or as the phase map."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phasemap.sweeps.commands.options import OutFile, Sources, Trust
from phasemap.theory.errors import InputError
from phasemap.theory.shown import shown
from phasemap.theory.trust import reading

if TYPE_CHECKING:
    import xarray as xr

    from phasemap.sweeps.sources.results import Results

FORMATS = ("csv", "netcdf")


def command(
    sources: Sources,
    format: Annotated[str, typer.Option(help="csv or netcdf")] = "csv",
    out: OutFile = None,
    trust: Trust = False,
) -> None:
    """Writes one row per cell (CSV, to standard output by default) or the phase map (netCDF), with its theory.

    Example: phasemap export runs/bn-fig3a-quick --format csv > cells.csv
    """
    with reading(trust=trust):
        export(sources, format=format, out=out)


def export(sources: Sequence[str], *, format: str, out: Path | None) -> None:
    """Writes the cells of all ``sources`` as CSV (to standard output without ``out``) or as the phase map in netCDF.

    Raises:
        InputError: a source cannot be read, an unknown format, or there is no folder for ``out``.
    """
    from phasemap.sweeps.annotated.dataset import annotated
    from phasemap.sweeps.sources.open_map import map_of, open_results
    from phasemap.sweeps.store.gc_pause import kept
    from phasemap.train.whole_file import write_bytes

    if format not in FORMATS:
        raise InputError(f"--format {format}: expected one of {', '.join(FORMATS)}")
    with kept():
        found = open_results(sources)
        if format == "csv":
            from phasemap.sweeps.store.cell_table import as_csv

            _write_csv(as_csv(*_table(found)), out)
            return
        from phasemap.sweeps.sources.names import home

        target = out or home(sources[0]) / "phase_map.nc"
        _writable(target)
        write_bytes(target, _netcdf(annotated(map_of(found))))
        print(shown(str(target)))


def _table(found: Results) -> tuple[list[str], list[list[Any]]]:
    """Names and rows: the cells, and what the theory says of their map where they make one."""
    from phasemap.sweeps.annotated.cell_columns import with_theory
    from phasemap.sweeps.annotated.dataset import annotated
    from phasemap.sweeps.sources.open_map import map_of
    from phasemap.sweeps.store.cell_table import rows

    names, table = rows(found.contents)
    try:
        phase_map = map_of(found)
    except InputError:  # cells of several experiments are a table all the same
        return names, table
    return with_theory(names, table, annotated(phase_map))


def _netcdf(phase_map: xr.Dataset) -> bytes:
    """The map as a file, whole before anything is written: HDF5's library does not bear a disk that is full."""
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    written = io.BytesIO()
    with h5netcdf.File(written, "w") as file:
        phase_map.dump_to_store(H5NetCDFStore(file))
    return written.getvalue()


def _write_csv(text: str, out: Path | None) -> None:
    from phasemap.train.whole_file import write_text

    if out is None:
        sys.stdout.write(text)
    else:
        _writable(out)
        write_text(out, text)


def _writable(out: Path) -> None:
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}")
