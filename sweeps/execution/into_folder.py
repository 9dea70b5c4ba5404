"""Training one tile into its output folder: what every executor does somewhere, in whatever process."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution.events import Busy, Done, Event, Failed, Full, Progress, Started, Stopped
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.execution.trainer import TileTrainer
from phasemap.sweeps.store.folder import Folder, redact
from phasemap.sweeps.store.result import ResultError, read, write
from phasemap.theory.errors import InputError

Tell = Callable[[Event], None]
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a full quota, a limit of the size of files (``ulimit -f``)."""


def untold(_event: Event) -> None:
    """Takes an event that nobody listens to."""


def never() -> bool:
    """Whether to stop: no."""
    return False


@contextmanager
def errors_in(log: Path) -> Iterator[None]:
    """Writes the traceback of an error to the tile's log. An executor with a process of its own may log more."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    try:
        yield
    except Exception:
        log.write_text(traceback.format_exc(), encoding="utf-8")
        redact(log)
        raise


def train_into_folder(
    folder: Folder,
    tile: Tile,
    trainer: TileTrainer,
    *,
    device: str,
    data_dir: Path | None = None,
    tell: Tell = untold,
    stopping: Callable[[], bool] = never,
    logging: Callable[[Path], AbstractContextManager[None]] = errors_in,
) -> Event:
    """Trains the tile and writes its result, unless it is there already or another process holds the tile's lock.

    Args:
        tell: takes the events Started and Progress while it trains.
        stopping: asked now and then; once it is true the training is saved and ends.
        logging: around the training, given the path of the tile's log.

    Returns:
        What became of the tile: Done, Busy, Stopped, Failed or Full. Nothing is raised but what ends the process.
    """
    key = tile.key
    try:
        with folder.lock(key) as mine:
            if not mine:
                return Busy(key)
            path = folder.result_file(key)
            with suppress(FileNotFoundError, ResultError):
                return Done.of(key, read(path, semantics=trainer.semantics), trained=False)
            tell(Started(key))

            def progress(state: dict[str, Any]) -> None:
                tell(Progress(key, state.get("steps_done", 0) / max(state.get("steps", 0), 1)))

            with logging(folder.log_file(key)):
                result = trainer.train(
                    dict(tile.parameters),
                    data_dir=data_dir,
                    device=device,
                    progress=progress,
                    checkpoint=folder.checkpoint_file(key),
                    stopping=stopping,
                )
                if result is None:
                    return Stopped(key)
                write(path, result)
                folder.remove_checkpoint(key)
            return Done.of(key, result, trained=True)
    except InputError as error:
        return Failed(key, "; ".join(error.messages), final=True)
    except OSError as error:
        reason = str(error.strerror or error)
        return Full(key, reason) if error.errno in NO_ROOM else Failed(key, reason)
    except Exception as error:
        return Failed(key, f"{type(error).__name__}: {error}".splitlines()[0])
