"""``phasemap export``: results from any sources as a table, or as the phase map."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from phasemap.sweeps.commands.options import Fix, OutFile, Sources, Trust, X, Y
from phasemap.theory.errors import InputError
from phasemap.theory.shown import shown
from phasemap.theory.trust import reading

if TYPE_CHECKING:
    import xarray as xr

    from phasemap.sweeps.phase_map.view import View
    from phasemap.sweeps.sources.results import Results

FORMATS = {"csv": (".csv",), "netcdf": (".nc", ".nc4", ".netcdf", ".h5", ".hdf5")}
"""By name: suffixes of such files, the usual one first."""


def command(
    sources: Sources,
    format: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="csv or netcdf; default: by the suffix of --out, or csv"),
    ] = None,
    out: OutFile = None,
    x: X = None,
    y: Y = None,
    fix: Fix = None,
    trust: Trust = False,
) -> None:
    """Writes one row per cell (CSV, to standard output by default) or the phase map (netCDF), with its theory.

    Example: phasemap export runs/bn-fig3a-quick --format csv > cells.csv
    """
    from phasemap.sweeps.phase_map.view import view

    with reading(trust=trust):
        export(sources, format=format, out=out, view=view(x, y, fix or ()))


def export(sources: Sequence[str], *, format: str | None, out: Path | None, view: View | None = None) -> None:
    """Writes the cells of all ``sources`` as CSV (to standard output without ``out``) or as the phase map in netCDF,
    and prints the path.

    Args:
        format: that of ``out`` by its suffix if not given, else CSV.

    Raises:
        InputError: a source cannot be read, an unknown format or another than the suffix of ``out`` says, or there is
            no folder for ``out``.
    """
    from phasemap.sweeps.annotated.dataset import annotated
    from phasemap.sweeps.sources.open_map import WHOLE, map_of, open_results
    from phasemap.sweeps.store.gc_pause import kept
    from phasemap.train.whole_file import write_bytes

    format = _format(format, out)
    with kept():
        found = open_results(sources, view or WHOLE)
        if format == "csv":
            from phasemap.sweeps.store.cell_table import as_csv

            _write_csv(as_csv(*_table(found)), out)
            return
        from phasemap.sweeps.sources.names import home

        target = out or home(sources[0]) / "phase_map.nc"
        _writable(target)
        write_bytes(target, _netcdf(annotated(map_of(found))))
        print(shown(str(target)))


def _format(given: str | None, out: Path | None) -> str:
    """The format that is asked for, by name or by the suffix of the file. Raises InputError where these differ."""
    if given is not None and given not in FORMATS:
        raise InputError(f"--format {given}: expected one of {', '.join(FORMATS)}")
    suffix = out.suffix.lower() if out else ""
    meant = next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)
    if suffix and given is None and meant is None:
        raise InputError(f"--out {out}: expected a name that ends in .csv, or in .nc for netCDF")
    chosen = given or meant or "csv"
    if suffix and meant != chosen:
        raise InputError(f"--out {out}: a file of {chosen} ends in {FORMATS[chosen][0]}")
    return chosen


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
        print(shown(str(out)))


def _writable(out: Path) -> None:
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}")
