"""``phasemap run``: from an experiment's name to its report."""

from __future__ import annotations

import heapq
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution import trainer as backends
from phasemap.sweeps.execution.progress import Progress, Tally, progress
from phasemap.sweeps.execution.scheduler import GRACE, STUCK_AFTER, Runner
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.execution.trainer import data_name
from phasemap.sweeps.experiments.experiment import PAPER, Experiment, find, load, presets_of
from phasemap.sweeps.store.folder import Folder, Manifest
from phasemap.sweeps.store.key import tile_key
from phasemap.sweeps.store.result import summary
from phasemap.theory.errors import InputError, noted
from phasemap.train.machine import devices
from phasemap.train.planning.cost import Cost, DataSize, cost, duration

DTYPE_RULE = "auto: float64 where the theory's gradients leave float32 and the device computes it fast, else float32"
INTERRUPTED = 130
LONG = 3600.0
"""Seconds from which on a run at the paper's scale names the presets that are shorter."""


@dataclass(frozen=True)
class Plan:
    """An experiment, checked as a whole, with what each tile is called and costs, and how many steps its cells take."""

    experiment: Experiment
    manifest: Manifest
    tiles: list[Tile]
    cost: Cost
    steps: list[int]

    @property
    def cells(self) -> int:
        """Cells of the whole experiment."""
        return sum(tile.cells for tile in self.tiles)

    @property
    def seconds(self) -> float:
        """A guess at the time of one worker for the whole experiment."""
        return sum(tile.cost for tile in self.tiles)

    def steps_in_words(self) -> str:
        """``600 steps each``, or their range."""
        low, high = min(self.steps), max(self.steps)
        return f"{low} steps each" if low == high else f"{low} to {high} steps each"

    def describe(self, at_work: Sequence[str]) -> str:
        """What ``--check`` prints, for workers on the devices ``at_work``."""
        axes = [f"{name} ({len(values)})" for name, values in self.experiment.tile_axes.items()]
        first = self.tiles[0].parameters
        stacked = [f"{name} ({len(value)})" for name, value in first.items() if isinstance(value, list)]
        dtypes = sorted(set(self.manifest.dtypes))
        return "\n".join(
            [
                f"{self.experiment.name}, preset {self.experiment.preset}",
                f"tiles:  {len(self.tiles)}" + (f", one per value of {', '.join(axes)}" if axes else ""),
                f"cells:  {self.cells}" + (f", stacked over {', '.join(stacked)}" if stacked else ""),
                f"steps:  {self.steps_in_words()}",
                f"data:   {', '.join(self.manifest.data)} (set/training/test)",
                f"dtype:  {', '.join(dtypes)}",
                f"cost:   {self.cost.in_words()}",
                f"here:   {in_words(self.tiles, at_work)}",
            ]
        )


def expected(tiles: Iterable[Tile], at_work: Sequence[str]) -> float:
    """Seconds until the last tile is done, by their guessed costs: the longest first, each to the next free worker."""
    ends = [0.0] * len(at_work)
    for seconds in sorted((tile.cost for tile in tiles), reverse=True):
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def in_words(tiles: Iterable[Tile], at_work: Sequence[str]) -> str:
    """``about 2.5 h with 2 workers on cpu``."""
    workers = "1 worker" if len(at_work) == 1 else f"{len(at_work)} workers"
    return f"about {duration(expected(tiles, at_work))} with {workers} on {', '.join(dict.fromkeys(at_work))}"


def plan(
    experiment: Experiment, *, at_work: Sequence[str], backend: backends.Backend, data_dir: Path | None = None
) -> Plan:
    """Checks everything that can be checked before training.

    Args:
        at_work: the devices that tiles are trained on.

    Raises:
        InputError: one line for every mistake.
    """
    parameters, mistakes = experiment.checked()
    try:
        survey = backend.survey(parameters, data_dir)
    except InputError as error:
        mistakes += map(experiment.located, error.messages)
    if mistakes:
        raise InputError(*mistakes)
    tiles, dtypes, total, steps = [], [], Cost(), []
    for tile in parameters:
        digest, size = survey[data_name(tile)]
        steps.append(_steps(tile, size))
        dtypes.append(_dtype(tile, at_work, backend))
        key = tile_key(tile, dtype=dtypes[-1], data_digest=digest, semantics=backend.semantics)
        price = cost(tile, size)
        total += price
        tiles.append(Tile(key, tile, price.seconds(at_work[0])))
    manifest = Manifest(
        experiment=experiment.name,
        preset=experiment.preset,
        semantics=backend.semantics,
        data={name: digest for name, (digest, _) in survey.items()},
        rule=DTYPE_RULE,
        dtypes=dtypes,
        keys=[tile.key for tile in tiles],
    )
    return Plan(experiment, manifest, tiles, total, steps)


def _dtype(tile: Mapping[str, Any], at_work: Sequence[str], backend: backends.Backend) -> str:
    """The dtype of a tile, whichever device it comes to: it is part of the result's key."""
    chosen = {backend.dtype(tile, device): device for device in reversed(list(dict.fromkeys(at_work)))}
    if len(chosen) > 1:
        where = " and ".join(f"{dtype} on {device}" for dtype, device in sorted(chosen.items()))
        raise InputError(
            f"--devices: GPUs of different kinds would train a tile in {where}; "
            "choose some of one kind, or --set dtype=float32"
        )
    return next(iter(chosen))


def _steps(tile: Mapping[str, Any], size: DataSize) -> int:
    """Training steps of each cell of the tile."""
    return int(tile["steps"] or tile["epochs"] * (size.train // tile["batch_size"]))


def interruptible(command: Callable[..., int]) -> Callable[..., int]:
    """The command with an answer to Ctrl-C and SIGTERM for the time in which the runner has none: it ends with 130."""

    @wraps(command)
    def answering(*arguments: Any, **options: Any) -> int:
        def interrupt(_number: int, _frame: object) -> None:
            raise KeyboardInterrupt

        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, interrupt) if main else None
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            print("interrupted; the same command goes on", file=sys.stderr)
            return INTERRUPTED
        finally:
            if main:
                signal.signal(signal.SIGTERM, before)

    return answering


@interruptible
def run(
    name: str,
    *,
    preset: str,
    out: Path | None,
    workers: int | None = None,
    device_list: str | None = None,
    settings: Sequence[str] = (),
    check: bool = False,
    quiet: bool = False,
    backend: str = backends.DEFAULT,
    data_dir: Path | None = None,
    stuck_after: float = STUCK_AFTER,
    grace: float = GRACE,
    report: bool = True,
) -> int:
    """Trains what is not yet done, then draws the report, whose path is the last line of standard output.

    Returns:
        0: all done; 1: tiles failed, or the disk is full; 130: interrupted.

    Raises:
        InputError: one line for every mistake, before anything is trained.
    """
    mistakes: list[str] = []
    there = at_work = ["cpu"]
    with noted(mistakes):
        there = at_work = devices.parse(device_list)
    with noted(mistakes):
        at_work = devices.assign(there, workers)
    with noted(mistakes):
        experiment = load(name, preset, settings)
        folder = Folder(out or Path("runs") / f"{experiment.name}-{preset}")
        with noted(mistakes):
            folder.check()
        planned = plan(experiment, at_work=at_work, backend=backends.by_name(backend), data_dir=data_dir)
        if not mistakes:
            folder.check(planned.experiment, planned.manifest)
    if mistakes:
        raise InputError(*mistakes)
    at_work = devices.assign(there, workers, [tile.parameters for tile in planned.tiles])
    if check:
        print(planned.describe(at_work))
        return 0
    folder.claim(planned.experiment, planned.manifest)
    folder.remove_leftovers()
    folder.forgive(folder.failures())
    scan = folder.scan(planned.manifest.semantics, planned.manifest.keys)
    pending = [tile for tile in planned.tiles if tile.key not in scan.results]
    names = {folder.result_file(key).name for key in planned.manifest.keys}
    tally = Tally(len(planned.tiles), planned.cells, planned.seconds)
    with progress(quiet) as shown:
        for problem in scan.problems:
            ours = problem.path.name in names
            shown.say(f"phasemap: warning: {problem}; {folder.set_aside(problem) if ours else 'it is left alone'}")
        for tile in planned.tiles:
            if tile.key in scan.results:
                tally.add(cells=tile.cells, cost=tile.cost, new=False, **summary(scan.results[tile.key]))
        _foretell(name, planned, pending, at_work, settings, shown)
        runner = Runner(
            folder,
            pending,
            devices=at_work,
            tally=tally,
            progress=shown,
            backend=backend,
            data_dir=data_dir,
            stuck_after=stuck_after,
            grace=grace,
        )
        outcome = runner.run()
        shown.update(tally, last=True)
    if outcome.interrupted:
        undone = len(outcome.left) + len(outcome.failed)
        print(f"interrupted: {undone} of {tally.tiles} tiles are left; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    if outcome.stopped:
        print(f"phasemap: error: {outcome.stopped}", file=sys.stderr)
        return 1
    if outcome.failed:
        print(f"phasemap: error: {len(outcome.failed)} of {tally.tiles} tiles failed", file=sys.stderr)
    if report and tally.done_tiles:
        from phasemap.sweeps.commands.report import draw

        print(draw([str(folder.path)], out=None))
    return 1 if outcome.failed else 0


def _foretell(
    name: str, planned: Plan, pending: Sequence[Tile], at_work: Sequence[str], settings: Sequence[str], shown: Progress
) -> None:
    """Says what is about to be trained and what that costs here, before the first tile."""
    tiles, preset = len(planned.tiles), planned.experiment.preset
    shown.tell(
        f"{planned.experiment.name}, preset {preset}: {planned.cells} cells in {tiles} tiles, "
        f"{planned.steps_in_words()}, {planned.cost.flops:.2g} FLOP"
    )
    if len(pending) < tiles:
        shown.tell(f"{tiles - len(pending)} of {tiles} tiles are there already")
    if pending:
        shown.tell(f"expected: {in_words(pending, at_work)}; a guess, corrected after the first tile")
    if preset == PAPER and (seconds := expected(pending, at_work)) > LONG:
        for shorter in presets_of(find(name)):
            price = sum(map(cost, load(name, shorter, settings).raw_tiles()), Cost())
            other = price.seconds(at_work[0].partition(":")[0]) / len(at_work)
            if other < seconds:
                shown.tell(f"shorter: --preset {shorter}, about {duration(other)}")
