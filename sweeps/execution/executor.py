"""An executor: whoever trains tiles for the scheduler, be it worker processes, a cluster's queue or this process.

The scheduler decides which tile is next, whether a failed one is tried again, and when to stop. An executor trains what
it is given, by `ExecutorContext.train` in whatever process, and says what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from phasemap.sweeps.execution.events import Event
from phasemap.sweeps.execution.into_folder import Tell, never, train_into_folder, untold
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.execution.trainer import DEFAULT, trainer_named
from phasemap.sweeps.store.folder import Folder

STUCK_AFTER = 300.0
"""Seconds without a sign of life (progress, or computing time used) after which a worker is taken to be stuck."""


@dataclass(frozen=True)
class ExecutorContext:
    """What an executor is given when it is made: ``MyExecutor(context)``. It can be sent to another process (pickle).

    Attributes:
        folder: the output folder; results, locks, checkpoints and logs go there.
        devices: what ``--devices`` and ``--workers`` ask for, an entry for each worker (``cpu``, ``cuda:0``).
        trainer: the name of what trains a tile; see `trainer.trainer_named`.
        data_dir: the folder of the data sets, if it is not the usual one.
        stuck_after: seconds without a sign of life after which a tile counts as lost.
    """

    folder: Folder
    devices: Sequence[str] = ("cpu",)
    trainer: str = DEFAULT
    data_dir: Path | None = None
    stuck_after: float = STUCK_AFTER

    def train(
        self, tile: Tile, *, device: str = "cpu", tell: Tell = untold, stopping: Callable[[], bool] = never
    ) -> Event:
        """Trains the tile here and now and writes its result; `into_folder.train_into_folder` says what comes back."""
        return train_into_folder(
            self.folder,
            tile,
            trainer_named(self.trainer),
            device=device,
            data_dir=self.data_dir,
            tell=tell,
            stopping=stopping,
        )


class Executor(Protocol):
    """Trains tiles, several at a time.

    Every tile that was started comes back once, by one of the events Done, Busy, Stopped, Failed, Lost or Full.
    """

    @property
    def slots(self) -> Sequence[str]:
        """The device of each tile that can be in flight at the same time; times are guessed for the first."""

    def start(self, tile: Tile) -> None:
        """Takes one more tile. There is a free slot for it."""

    def events(self, timeout: float) -> Iterable[Event]:
        """What has happened since the last call. Waits for it for at most about ``timeout`` seconds.

        An executor that trains within this call may take longer, but then nothing else happens meanwhile.
        """

    def stop(self, *, at_once: bool) -> None:
        """Has the tiles in flight saved, if they can be, and comes back soon; ``at_once``: ends them now.

        No tile is started after this.
        """

    def close(self) -> None:
        """Ends whatever is left. Called last, whatever happened."""
