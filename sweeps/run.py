"""``phasemap run``: from an experiment's name to its report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps import backend as backends
from sweeps import devices
from sweeps.backend import data_name
from sweeps.cost import Cost, cost
from sweeps.experiment import Experiment, load
from sweeps.progress import Tally, progress
from sweeps.runner import GRACE, STUCK_AFTER, Runner
from sweeps.store.folder import Folder, Manifest
from sweeps.store.key import tile_key
from sweeps.worker import summary
from sweeps.worker_process import Tile

DTYPE_RULE = "auto: float64 where the theory's gradients leave float32 and the device computes it fast, else float32"


@dataclass(frozen=True)
class Plan:
    """An experiment, checked as a whole, with what each tile is called and costs."""

    experiment: Experiment
    manifest: Manifest
    tiles: list[Tile]
    cost: Cost

    @property
    def cells(self) -> int:
        """Cells of the whole experiment."""
        return sum(tile.cells for tile in self.tiles)

    @property
    def seconds(self) -> float:
        """A guess at the time of one worker for the whole experiment."""
        return sum(tile.cost for tile in self.tiles)

    def describe(self) -> str:
        """What ``--check`` prints."""
        axes = [f"{name} ({len(values)})" for name, values in self.experiment.tile_axes.items()]
        first = self.tiles[0].parameters
        stacked = [f"{name} ({len(value)})" for name, value in first.items() if isinstance(value, list)]
        dtypes = sorted(set(self.manifest.dtypes))
        return "\n".join(
            [
                f"{self.experiment.name}, preset {self.experiment.preset}",
                f"tiles:  {len(self.tiles)}" + (f", one per value of {', '.join(axes)}" if axes else ""),
                f"cells:  {self.cells}" + (f", stacked over {', '.join(stacked)}" if stacked else ""),
                f"data:   {', '.join(self.manifest.data)} (set/training/test)",
                f"dtype:  {', '.join(dtypes)}",
                f"cost:   {self.cost.in_words()}",
            ]
        )


def plan(experiment: Experiment, *, device: str, backend: backends.Backend, data_dir: Path | None = None) -> Plan:
    """Checks everything that can be checked before training.

    Raises:
        InputError: one line for every mistake.
    """
    parameters = experiment.tiles()
    survey = backend.survey(parameters, data_dir)
    tiles, dtypes, total = [], [], Cost()
    for tile in parameters:
        digest, size = survey[data_name(tile)]
        dtypes.append(backend.dtype(tile, device))
        key = tile_key(tile, dtype=dtypes[-1], data_digest=digest, semantics=backend.semantics)
        price = cost(tile, size)
        total += price
        tiles.append(Tile(key, tile, price.seconds(device)))
    manifest = Manifest(
        experiment=experiment.name,
        preset=experiment.preset,
        semantics=backend.semantics,
        data={name: digest for name, (digest, _) in survey.items()},
        rule=DTYPE_RULE,
        dtypes=dtypes,
        keys=[tile.key for tile in tiles],
    )
    return Plan(experiment, manifest, tiles, total)


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
    at_work = devices.assign(devices.parse(device_list), workers)
    planned = plan(
        load(name, preset, settings), device=at_work[0], backend=backends.by_name(backend), data_dir=data_dir
    )
    if check:
        print(planned.describe())
        return 0
    folder = Folder(out or Path("runs") / f"{planned.experiment.name}-{preset}")
    folder.claim(planned.experiment, planned.manifest)
    folder.remove_leftovers()
    folder.forgive(folder.failures())
    scan = folder.scan(planned.manifest.semantics, planned.manifest.keys)
    tally = Tally(len(planned.tiles), planned.cells, planned.seconds)
    with progress(quiet) as shown:
        for problem in scan.problems:
            again = "; it will be trained again" if problem.path.stem in planned.manifest.keys else "; it is left alone"
            shown.say(f"phasemap: warning: {problem}{again}")
        for tile in planned.tiles:
            if tile.key in scan.results:
                tally.add(cells=tile.cells, cost=tile.cost, new=False, **summary(scan.results[tile.key]))
        if tally.done_tiles:
            shown.say(f"{tally.done_tiles} of {tally.tiles} tiles are there already in {folder.path}")
        runner = Runner(
            folder,
            [tile for tile in planned.tiles if tile.key not in scan.results],
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
        return 130
    if outcome.stopped:
        print(f"phasemap: error: {outcome.stopped}", file=sys.stderr)
        return 1
    if outcome.failed:
        print(f"phasemap: error: {len(outcome.failed)} of {tally.tiles} tiles failed", file=sys.stderr)
    if report and tally.done_tiles:
        from sweeps.reporting import draw

        print(draw([str(folder.path)], out=None))
    return 1 if outcome.failed else 0
