"""A worker process: trains the tiles that its runner hands it, one at a time, and says how it goes.

It reads one JSON line a tile from standard input and writes one JSON line an event to standard output. While a tile is
trained, everything else that is printed goes to the tile's log. The worker holds the tile's lock, so the kernel gives
the tile back when the worker dies; and the worker dies with its runner.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution import trainer as backends
from phasemap.sweeps.store.folder import Folder, redact
from phasemap.sweeps.store.result import ResultError, read, summary, write
from phasemap.theory.errors import InputError
from phasemap.train.machine.processes import die_with_parent

PROGRESS_INTERVAL = 0.2
"""Seconds between two progress events."""
STOP = "stop"
"""What a runner says in place of a tile when the one in flight is to be stopped and saved."""
BEAT_INTERVAL = 5.0
"""Seconds between two signs of life."""


class Worker:
    """One worker of the run in ``folder``."""

    def __init__(self, folder: Folder, backend: backends.Backend, *, device: str, data_dir: Path | None) -> None:
        self.folder, self.backend, self.device, self.data_dir = folder, backend, device, data_dir
        self.stop = threading.Event()
        self.mouth = threading.Lock()
        self.events = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what a library prints between tiles is no event
        self.last_progress = 0.0

    def say(self, event: str, **details: Any) -> None:
        """Sends one event to the runner."""
        with self.mouth:
            self.events.write(json.dumps({"event": event, **details}) + "\n")
            self.events.flush()

    def beat(self) -> None:
        """Says for ever, now and then, that the process computes: what waits on itself uses no computing time."""
        used = time.process_time()
        while True:
            time.sleep(BEAT_INTERVAL)
            before, used = used, time.process_time()
            if used - before > 0.01 * BEAT_INTERVAL:
                self.say("beat")

    def work(self, tile: dict[str, Any]) -> bool:
        """One tile: `busy` if another process has it, `done` if it is there or was trained, `stopped` if that was asked
        for (the checkpoint has what was trained), `failed` with the reason.

        Returns:
            Whether this process is fit for another tile (after a failure it is not: a GPU may be left unusable).
        """
        key = tile["key"]
        with self.folder.lock(key) as mine:
            if not mine:
                self.say("busy", key=key)
                return True
            path = self.folder.result_file(key)
            with contextlib.suppress(FileNotFoundError, ResultError):
                self.say("done", key=key, trained=False, **summary(read(path, semantics=self.backend.semantics)))
                return True
            self.say("start", key=key)
            try:
                with self._log(key):
                    result = self.backend.train(
                        tile["parameters"],
                        data_dir=self.data_dir,
                        device=self.device,
                        progress=self._progress(key),
                        checkpoint=self.folder.checkpoint_file(key),
                        stopping=self.stop.is_set,
                    )
                    if result is not None:
                        write(path, result)
                        self.folder.remove_checkpoint(key)
            except InputError as error:
                self.say("failed", key=key, reason="; ".join(error.messages), final=True)
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                self.say("full" if full else "failed", key=key, reason=str(error.strerror or error), final=False)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                self.say("failed", key=key, reason=reason, final=False)
            else:
                if result is None:
                    self.say("stopped", key=key)
                    return False
                self.say("done", key=key, trained=True, **summary(result))
                return True
        return False

    def _progress(self, key: str) -> Callable[[dict[str, Any]], None]:
        def progress(state: dict[str, Any]) -> None:
            now = time.monotonic()
            if now - self.last_progress >= PROGRESS_INTERVAL:
                self.last_progress = now
                self.say("progress", key=key, done=state.get("steps_done", 0), of=state.get("steps", 0))

        return progress

    @contextlib.contextmanager
    def _log(self, key: str) -> Iterator[None]:
        """Sends whatever is printed, by Python or below it, to the tile's log; with the traceback if it fails."""
        path = self.folder.log_file(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        saved = os.dup(1), os.dup(2)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
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
            redact(path)


def _listen(tiles: queue.SimpleQueue[dict[str, Any] | None], stop: threading.Event) -> None:
    """Puts the tiles that the runner sends into ``tiles``, and sets ``stop`` when it says so. When the runner is gone,
    so is the worker, whatever it is doing."""
    for line in sys.stdin:
        message = json.loads(line)
        if message == STOP:
            stop.set()
        else:
            tiles.put(message)
    os._exit(0)


def main(arguments: list[str]) -> None:
    """``FOLDER DEVICE BACKEND DATA_DIR`` (an empty DATA_DIR for none)."""
    die_with_parent()  # where there is no such thing, the end of standard input does it
    # Ctrl-C, or a cluster's SIGTERM, reaches the whole group; the runner decides. Blocked rather than ignored, because
    # Lightning puts handlers of its own in place of ours.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    folder, device, backend, data_dir = arguments
    worker = Worker(
        Folder(Path(folder)), backends.by_name(backend), device=device, data_dir=Path(data_dir) if data_dir else None
    )
    tiles: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tiles, worker.stop), daemon=True).start()
    threading.Thread(target=worker.beat, daemon=True).start()
    worker.say("ready")
    while (tile := tiles.get()) and worker.work(tile):
        pass
