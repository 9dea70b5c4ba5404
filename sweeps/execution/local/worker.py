"""A worker process: trains the tiles that it is handed, one at a time, and says how it goes.

It reads one JSON line a tile from standard input and writes one JSON line an event to standard output. While a tile is
trained, everything else that is printed goes to the tile's log. The worker holds the tile's lock, so the kernel gives
the tile back when the worker dies; and the worker dies with the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution.events import Busy, Done, Event, Progress, Ready, to_json
from phasemap.sweeps.execution.into_folder import train_into_folder
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.execution.trainer import TileTrainer, trainer_named
from phasemap.sweeps.store.folder import Folder, redact
from phasemap.train.planning.cost import Cost

PROGRESS_INTERVAL = 0.2
"""Seconds between two progress events."""
STOP = "stop"
"""What comes in place of a tile when the one in flight is to be stopped and saved."""
COMPUTING = {"event": "computing"}
"""A sign of life."""
SIGN_INTERVAL = 5.0
"""Seconds between two signs of life."""


class Worker:
    """One worker of the run in ``folder``."""

    def __init__(self, folder: Folder, trainer: TileTrainer, *, device: str, data_dir: Path | None) -> None:
        self.folder, self.trainer, self.device, self.data_dir = folder, trainer, device, data_dir
        self.stop = threading.Event()
        self.writing = threading.Lock()
        self.output = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what a library prints between tiles is no event
        self.last_progress = 0.0

    def send(self, message: dict[str, Any]) -> None:
        """Writes one line to the process that started this one."""
        with self.writing:
            self.output.write(json.dumps(message) + "\n")
            self.output.flush()

    def tell(self, event: Event) -> None:
        """Sends an event; of progress not every step."""
        if isinstance(event, Progress):
            now = time.monotonic()
            if now - self.last_progress < PROGRESS_INTERVAL:
                return
            self.last_progress = now
        self.send(to_json(event))

    def send_signs_of_life(self) -> None:
        """Says for ever, now and then, that the process computes: what waits on itself uses no computing time."""
        used = time.process_time()
        while True:
            time.sleep(SIGN_INTERVAL)
            before, used = used, time.process_time()
            if used - before > 0.01 * SIGN_INTERVAL:
                self.send(COMPUTING)

    def work(self, tile: Tile) -> bool:
        """Trains one tile.

        Returns:
            Whether this process is fit for another tile (after a failure it is not: a GPU may be left unusable).
        """
        event = train_into_folder(
            self.folder,
            tile,
            self.trainer,
            device=self.device,
            data_dir=self.data_dir,
            tell=self.tell,
            stopping=self.stop.is_set,
            logging=output_in,
        )
        self.tell(event)
        return isinstance(event, (Done, Busy))


@contextlib.contextmanager
def output_in(log: Path) -> Iterator[None]:
    """Sends whatever is printed, by Python or below it, to the tile's log; with the traceback if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    saved = os.dup(1), os.dup(2)
    log.unlink(missing_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in enumerate(saved, start=1):
            os.dup2(copy, number)
            os.close(copy)
        redact(log)


def _receive(tiles: queue.SimpleQueue[Tile], stop: threading.Event) -> None:
    """Puts the tiles that come on standard input into ``tiles``, and sets ``stop`` when that is asked for. When whoever
    sends them is gone, so is the worker, whatever it is doing."""
    for line in sys.stdin:
        message = json.loads(line)
        if message == STOP:
            stop.set()
        else:
            tiles.put(Tile(message["key"], message["parameters"], Cost()))
    os._exit(0)


def main(arguments: list[str]) -> None:
    """``FOLDER DEVICE TRAINER DATA_DIR`` (an empty DATA_DIR for none)."""
    folder, device, name, data_dir = arguments
    trainer = trainer_named(name)
    worker = Worker(Folder(Path(folder)), trainer, device=device, data_dir=Path(data_dir) if data_dir else None)
    tiles: queue.SimpleQueue[Tile] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tiles, worker.stop), daemon=True).start()
    threading.Thread(target=worker.send_signs_of_life, daemon=True).start()
    worker.tell(Ready(measured=trainer.prepare(device)))
    while worker.work(tiles.get()):
        pass
