"""A worker process as the one that started it sees it: hands it tiles, hears its events, and learns how it died."""

from __future__ import annotations

import json
import resource
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from phasemap.sweeps.execution.executor import ExecutorContext
from phasemap.sweeps.execution.local.forked import Server
from phasemap.sweeps.execution.local.worker import STOP
from phasemap.sweeps.execution.tile import Tile
from phasemap.train.machine.devices import environment


class WorkerProcess:
    """One worker process.

    Attributes:
        ready: whether it has said that it can train.
        tile: what it was handed last, until it has said what became of it.
        leaving: whether it ends by itself now, and takes no more tiles.
        last_sign: when it was last heard of.
        killed_because: why it was killed, if we did it.
        no_room: why the machine has no room for it, once `wait` has found that out.
    """

    def __init__(self, context: ExecutorContext, device: str, server: Server) -> None:
        kind, sharing = device.partition(":")[0], list(context.devices).count(device)
        self.device, self.server = device, server
        self.process = server.fork(
            [str(context.folder.path), kind, context.trainer, str(context.data_dir or "")], environment(device, sharing)
        )
        self.errors: deque[bytes] = deque(maxlen=20)
        self.error_reader = threading.Thread(target=self.errors.extend, args=(self.process.stderr,), daemon=True)
        try:
            self.error_reader.start()
        except RuntimeError:  # no more threads
            self.process.kill()
            self.process.close()
            raise
        self.no_room: OSError | None = None
        self.unfinished_line = b""
        self.killed_because: str | None = None
        self.ready = self.leaving = False
        self.tile: Tile | None = None
        self.last_sign = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether it waits for a tile."""
        return self.ready and self.tile is None and not self.leaving

    def give(self, tile: Tile) -> None:
        """Hands the worker a tile; one that is still starting trains it then."""
        self.tile = tile
        self.last_sign = time.monotonic()
        self._send({"key": tile.key, "parameters": tile.parameters})

    def stop(self) -> None:
        """Has the worker save its tile, if it can, and end."""
        self._send(STOP)

    def leave(self) -> None:
        """Ends an idle worker."""
        self.leaving = True
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def kill(self, because: str | None = None) -> None:
        """Ends the worker whatever it does."""
        self.killed_because = self.killed_because or because
        self.process.kill()
        if because and not self.ready:  # what it is to be forked from may be stuck itself
            self.server.process.kill()

    def _send(self, message: Any) -> None:
        with suppress(BrokenPipeError):  # it died; the end of its output says so
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def messages(self) -> Iterator[dict[str, Any] | None]:
        """What the worker has sent since; ends with None if it has ended."""
        while True:
            data = self.process.stdout.read(1 << 16)  # None when nothing is there yet
            if data is None:
                return
            if not data:
                yield None
                return
            *lines, self.unfinished_line = (self.unfinished_line + data).split(b"\n")
            for line in lines:
                self.last_sign = time.monotonic()
                yield json.loads(line)

    def wait(self) -> str:
        """Waits for the end of the process, which is near, and closes its pipes; how it ended, in words."""
        code = 0
        try:
            code = self.process.wait()
        except OSError as error:
            self.no_room = error
        self.error_reader.join(1)  # a grandchild may keep the pipe open
        self.process.close()
        if self.killed_because:
            return self.killed_because
        said = self.errors or self.server.last_words()
        last = b"".join(said).decode(errors="replace").strip().splitlines()[-1:]
        if code >= 0:
            return f"the worker ended with code {code}" + (f": {last[0]}" if last else "")
        name = signal.Signals(-code).name
        return f"the worker was killed by {name}" + (f" ({_limits()}?)" if name in ("SIGKILL", "SIGXCPU") else "")


def _limits() -> str:
    """For want of what a worker may have been killed."""
    seconds = resource.getrlimit(resource.RLIMIT_CPU)[0]
    return "out of memory" + (f", or of computing time, ulimit -t {seconds}" if seconds >= 0 else "")
