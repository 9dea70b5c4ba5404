"""Which preset is run where none is given, and what the run says of it."""

from __future__ import annotations

from collections.abc import Sequence

from phasemap.sweeps.experiments.experiment import PAPER, Experiment, find, load
from phasemap.sweeps.experiments.overrides import presets_of
from phasemap.theory.plural import counted
from phasemap.train.planning.cost import cell_count, duration, grid_cost

QUICK = "quick"


def usual_preset(name_or_file: str) -> str:
    """``quick`` if there is one, as every built-in experiment has; else the file as it is.

    Raises:
        InputError: there is no such experiment.
    """
    return QUICK if QUICK in presets_of(find(name_or_file)) else PAPER


def said_of_it(name_or_file: str, experiment: Experiment, at_work: Sequence[str]) -> str:
    """The line of a run without ``--preset`` on what it takes and what else there is; "" of a file without presets.

    Args:
        experiment: what is run. at_work: the device of each worker.
    """
    if experiment.preset == PAPER:
        return ""
    paper = load(name_or_file, PAPER)
    price = grid_cost(paper.fixed, paper.tile_axes)
    cells, seconds = price.tiles * cell_count(paper.fixed), price.seconds(at_work[0]) / len(at_work)
    return (
        f"no --preset given, so it is {experiment.preset}; --preset {PAPER} is the whole grid:"
        f" {counted(cells, 'cell')}, about {duration(seconds)} here"
    )
