"""From folders and sweeps to their phase map: the one way that reports, exports, comparisons and advice go."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from phasemap.sweeps.phase_map.view import View
from phasemap.sweeps.sources.gather import gather
from phasemap.sweeps.sources.results import Results
from phasemap.theory.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


WHOLE = View()
"""All that is there, on the axes of the experiment."""


def open_map(sources: Sequence[str], view: View = WHOLE) -> xr.Dataset:
    """The phase map of all ``sources`` together; cells whose training was given up are told from those not yet run.

    Raises:
        InputError: a source cannot be read, there are no results yet, or they do not make one map.
    """
    return map_of(open_results(sources, view))


def open_results(sources: Sequence[str], view: View = WHOLE) -> Results:
    """The results of all ``sources`` that ``view`` shows; what was left out, and what was there twice, is said on
    standard error.

    Raises:
        InputError: a source cannot be read, or there are no results yet, or none that ``view`` shows.
    """
    found = gather(sources)
    for note in found.notes:
        print(f"phasemap: warning: {note}", file=sys.stderr)
    if not found.results:
        raise InputError(f"{', '.join(sources)}: there are no results yet")
    return found.seen(view)


def map_of(found: Results) -> xr.Dataset:
    """The phase map of results that are at hand. Raises InputError where they do not make one map."""
    from phasemap.sweeps.phase_map.from_results import build

    return build(found.contents, found.expected_cells, found.presentation, found.failed_cells)
