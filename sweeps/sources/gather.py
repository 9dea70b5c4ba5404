"""The results of output folders and W&B sweeps together, each tile once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phasemap.sweeps.sources.folder import gather_folder
from phasemap.sweeps.sources.names import home, is_sweep
from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.sources.wandb_sweep import gather_sweep
from phasemap.sweeps.store.gc_pause import kept
from phasemap.theory.errors import InputError, noted


@kept()
def gather(sources: Sequence[str]) -> Results:
    """The results of folders and ``wandb:ENTITY/PROJECT/SWEEP`` sources.

    Raises:
        InputError: one line for every source that cannot be read.
    """
    found = Results(name=home(sources[0]).resolve().name if sources else "")
    mistakes: list[str] = []
    for source in sources:
        with noted(mistakes):
            if is_sweep(source):
                gather_sweep(source, found)
            else:
                gather_folder(Path(source), found)
    if mistakes:
        raise InputError(*mistakes)
    return found
