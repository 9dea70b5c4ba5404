"""``phasemap status``: which cells are finished, diverged, dead, missing, failed or being trained, tile by tile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phasemap.sweeps.sources.gather import WANDB
from phasemap.sweeps.store import gc_pause as garbage
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.result import result_cells
from phasemap.theory.errors import InputError

STATES = ("finished", "diverged", "dead", "running", "failed", "missing")


@dataclass
class TileStatus:
    """One tile: what tells it from the others, and its cells by state."""

    label: str
    cells: Counter[str]
    note: str = ""


@dataclass
class Status:
    """Where an experiment stands."""

    name: str
    tiles: list[TileStatus] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def cells(self) -> Counter[str]:
        """All cells by state."""
        return sum((tile.cells for tile in self.tiles), Counter())

    @property
    def complete(self) -> bool:
        """Whether every cell has a result."""
        counts = self.cells
        return not any(counts[state] for state in ("running", "failed", "missing"))

    def text(self) -> str:
        """One line a tile, the sum, and the files that are no usable results."""
        width = max([len(tile.label) for tile in self.tiles] + [5])
        lines = [f"{self.name}", f"{'tile':{width}}  " + "  ".join(f"{state:>8}" for state in STATES)]
        lines += [
            f"{tile.label:{width}}  "
            + "  ".join(f"{tile.cells[s]:8d}" for s in STATES)
            + (f"  {tile.note}" if tile.note else "")
            for tile in self.tiles
        ]
        total = self.cells
        lines.append(f"{'total':{width}}  " + "  ".join(f"{total[state]:8d}" for state in STATES))
        lines += [f"warning: {problem}" for problem in self.problems]
        return "\n".join(lines)


def tile_label(parameters: Mapping[str, Any], axes: Mapping[str, Any]) -> str:
    """``batch_size=32, width=64``: the tile's values on the axes that make tiles."""
    return ", ".join(f"{name}={parameters[name]}" for name in axes if name in parameters) or "the only tile"


def of(source: str, *, requeue: bool = False) -> Status:
    """The status of an output folder or of ``wandb:ENTITY/PROJECT/SWEEP``; ``requeue`` frees what has failed.

    Raises:
        InputError: there is no such thing.
    """
    if source.startswith(WANDB):
        from phasemap.sweeps.sources.wandb_sweep import status_of_sweep

        return status_of_sweep(source, requeue=requeue)
    if requeue:
        folder = Folder(Path(source))
        folder.forgive(folder.failures())
    return of_folder(Path(source))


@garbage.kept()
def of_folder(path: Path) -> Status:
    """The status of an output folder. Raises InputError if it holds no experiment."""
    from phasemap.train.parameters import SEMANTICS
    from phasemap.train.planning.cost import cell_count

    folder = Folder(path)
    if not folder.exists():
        raise InputError(f"{path}: there are no results of phasemap")
    if not (path / "manifest.json").is_file():
        return _single_tiles(folder)
    manifest, experiment = folder.manifest(), folder.experiment()
    scan = folder.scan(max(SEMANTICS, manifest.semantics), manifest.keys)
    unusable = {problem.path.stem: problem.kind for problem in scan.problems}
    running, failures = folder.running(), folder.failures()
    status = Status(f"{experiment.name}, preset {experiment.preset}: {path}")
    status.problems = [str(problem) for problem in scan.problems]
    for key, raw in zip(manifest.keys, experiment.raw_tiles(), strict=True):
        note = f"{unusable[key]} result file" if key in unusable else ""
        if key in scan.results:
            cells = result_cells(scan.results[key])
        else:
            state = "running" if key in running else "failed" if key in failures else "missing"
            cells = Counter({state: cell_count(raw)})
            if state == "failed":
                note = f"{failures[key]['reason']}; see {failures[key]['log']}"
        status.tiles.append(TileStatus(tile_label(raw, experiment.tile_axes), cells, note))
    return status


def _single_tiles(folder: Folder) -> Status:
    """The status of a folder of `phasemap train`, where nothing says which tiles are wanted."""
    from phasemap.train.parameters import SEMANTICS

    scan = folder.scan(SEMANTICS)
    tiles = [TileStatus(key[:8], result_cells(result)) for key, result in scan.results.items()]
    return Status(f"single tiles: {folder.path}", tiles, [str(problem) for problem in scan.problems])
