"""A whole run: from an experiment's name to its report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from phasemap.sweeps.execution.catalogue import LOCAL, MakesExecutor, executor_named
from phasemap.sweeps.execution.executor import STUCK_AFTER, ExecutorContext
from phasemap.sweeps.execution.one_report import draw_report
from phasemap.sweeps.execution.plan import Plan, expected, in_words, plan
from phasemap.sweeps.execution.scheduler import GRACE, Outcome, Scheduler
from phasemap.sweeps.execution.signals import INTERRUPTED, interruptible
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.execution.trainer import DEFAULT, trainer_named
from phasemap.sweeps.experiments.experiment import PAPER, find, load
from phasemap.sweeps.experiments.overrides import presets_of
from phasemap.sweeps.experiments.usual_preset import said_of_it, usual_preset
from phasemap.sweeps.progress.display import ShownProgress, progress
from phasemap.sweeps.progress.tally import Tally
from phasemap.sweeps.store import tile_lock
from phasemap.sweeps.store.folder import Folder, Scan
from phasemap.sweeps.store.result import outcomes_and_accuracy
from phasemap.theory.errors import InputError, noted
from phasemap.theory.plural import counted
from phasemap.train.machine import devices
from phasemap.train.machine.speed import calibrated
from phasemap.train.planning.assignment import assign
from phasemap.train.planning.cost import duration, grid_cost

LONG = 3600.0
"""Seconds from which on a run at the paper's scale names the presets that are shorter."""


@interruptible
def run_experiment(
    name: str,
    *,
    preset: str | None = None,
    out: Path | None = None,
    workers: int | None = None,
    device_list: str | None = None,
    settings: Sequence[str] = (),
    check: bool = False,
    quiet: bool = False,
    executor: str | MakesExecutor = LOCAL,
    trainer: str = DEFAULT,
    data_dir: Path | None = None,
    stuck_after: float = STUCK_AFTER,
    grace: float = GRACE,
    wait: bool = True,
    report: bool = True,
    shows: Callable[[bool], ShownProgress] = progress,
) -> int:
    """Trains what is not yet done, then draws the report, whose path is the last line of standard output.

    Args:
        preset: that of `usual_preset` if not given.
        executor: who trains the tiles: a name for `executor_named`, or a class.
        trainer: what trains a tile: a name for `trainer_named`.
        wait: for tiles that other runs on the folder are at work on, too.
        shows: what makes the progress, given ``quiet``.

    Returns:
        0: all done, or left to other runs without ``wait``; 1: tiles failed, or the disk is full; 130: interrupted.

    Raises:
        InputError: one line for every mistake, before anything is trained.
    """
    mistakes: list[str] = []
    there = at_work = ["cpu"]
    with noted(mistakes):
        there = at_work = devices.parse(device_list)
    with noted(mistakes):
        at_work = assign(there, workers)
    with noted(mistakes):
        make_executor = executor_named(executor) if isinstance(executor, str) else executor
    with noted(mistakes):
        experiment = load(name, usual_preset(name) if preset is None else preset, settings)
        folder = Folder(out or Path("runs") / f"{experiment.name}-{experiment.preset}")
        with noted(mistakes):
            folder.check()
        planned = plan(experiment, at_work=at_work, trainer=trainer_named(trainer), data_dir=data_dir)
        if not mistakes:
            folder.check(planned.experiment, planned.manifest)
    if mistakes:
        raise InputError(*mistakes)
    at_work = assign(there, workers, [tile.parameters for tile in planned.tiles])
    unasked = said_of_it(name, planned.experiment, at_work) if preset is None else ""
    if check:
        print(planned.describe(at_work) + f"\n{unasked}".rstrip())
        return 0
    done = _open(folder, planned)
    pending = [tile for tile in planned.tiles if tile.key not in done.results]
    context = ExecutorContext(folder, at_work[: max(len(pending), 1)], trainer, data_dir, stuck_after)
    tally = Tally(len(planned.tiles), planned.cells, planned.seconds, len(context.devices))
    outcome = Outcome()
    with shows(quiet) as shown:
        _tell_problems(folder, planned, done, shown)
        for tile in planned.tiles:
            if tile.key in done.results:
                found = outcomes_and_accuracy(done.results[tile.key])
                tally.add(
                    cells=tile.cells,
                    cost=tile.seconds(planned.device),
                    outcomes=found.outcomes,
                    accuracy=found.accuracy,
                )
        if unasked:
            shown.tell(unasked)
        _tell_expectation(name, planned, pending, at_work, settings, shown)
        if saved := saved_part_way(folder, [tile.key for tile in pending]):
            shown.tell(
                f"{saved} of {counted(len(planned.tiles), 'tile')} stopped part-way and saved: continued from there"
            )
        if pending:
            made = make_executor(context)
            outcome = Scheduler(
                folder, pending, executor=made, tally=tally, progress=shown, wait=wait, grace=grace
            ).run()
        shown.update(tally, last=True)
    return _conclude(folder, outcome, tally, report=report)


def saved_part_way(folder: Folder, keys: Sequence[str]) -> int:
    """How many of the tiles were stopped while they were trained, and have a checkpoint."""
    return sum(folder.checkpoint_file(key).is_file() for key in keys)


def _open(folder: Folder, planned: Plan) -> Scan:
    """Makes or tidies the output folder; what lies in it."""
    folder.claim(planned.experiment, planned.manifest)
    folder.remove_leftovers()
    folder.unmark_failed(folder.failures())
    return folder.scan(planned.manifest.semantics, planned.manifest.keys)


def _tell_problems(folder: Folder, planned: Plan, scan: Scan, shown: ShownProgress) -> None:
    """Says which files are no usable results, and makes way for those that are trained again; and how tiles are held
    where that is not as usual."""
    if why := tile_lock.missing(folder.locks):
        shown.say(
            f"phasemap: note: {folder.locks}: no flock there ({why}); leases hold the tiles, each renewed in time"
        )
    names = {folder.result_file(key).name for key in planned.manifest.keys}
    for problem in scan.problems:
        ours = problem.path.name in names
        shown.say(f"phasemap: warning: {problem}; {folder.set_aside(problem) if ours else 'it is left alone'}")


def _tell_expectation(
    name: str,
    planned: Plan,
    pending: Sequence[Tile],
    at_work: Sequence[str],
    settings: Sequence[str],
    shown: ShownProgress,
) -> None:
    """Says what is about to be trained and what that costs here, before the first tile."""
    tiles, preset = len(planned.tiles), planned.experiment.preset
    shown.tell(
        f"{planned.experiment.title}: {counted(planned.cells, 'cell')} in {counted(tiles, 'tile')}, "
        f"{planned.steps_in_words()}, {planned.cost.flops:.2g} FLOP"
    )
    if len(pending) < tiles:
        shown.tell(f"{tiles - len(pending)} of {counted(tiles, 'tile')} there already")
    if pending:
        guess = "" if calibrated(at_work[0]) else "a guess, "
        shown.tell(f"expected: {in_words(pending, at_work)}; {guess}corrected after the first tile")
    if preset == PAPER and (seconds := expected(pending, at_work)) > LONG:
        for shorter in presets_of(find(name)):
            smaller = load(name, shorter, settings)
            price = grid_cost(smaller.fixed, smaller.tile_axes)
            other = price.seconds(at_work[0]) / len(at_work)
            if other < seconds:
                shown.tell(f"shorter: --preset {shorter}, about {duration(other)}")


def _conclude(folder: Folder, outcome: Outcome, tally: Tally, *, report: bool) -> int:
    """Says what is left or went wrong, and draws the report of what there is; the exit code."""
    if outcome.interrupted:
        undone = len(outcome.left) + len(outcome.failed)
        left = f"{undone} of {counted(tally.tiles, 'tile')} left"
        goes_on = "the same command goes on"
        if saved := saved_part_way(folder, outcome.left):
            goes_on = (
                f"{saved} of {counted(tally.tiles, 'tile')} stopped part-way and saved; the same command continues them"
            )
        print(f"interrupted: {left}; {goes_on}", file=sys.stderr)
        return INTERRUPTED
    if outcome.stopped:
        print(f"phasemap: error: {outcome.stopped}", file=sys.stderr)
        return 1
    if outcome.failed:
        print(f"phasemap: error: {len(outcome.failed)} of {counted(tally.tiles, 'tile')} failed", file=sys.stderr)
    if outcome.elsewhere:
        there = f"{outcome.elsewhere} of {counted(tally.tiles, 'tile')}"
        print(f"{there} left to the runs that hold them", file=sys.stderr)
    if report and tally.done_tiles and not outcome.elsewhere:  # else whoever ends last draws it
        from phasemap.theory.shown import shown

        print(shown(str(draw_report(folder, waited=outcome.waited))))
    return 1 if outcome.failed else 0
