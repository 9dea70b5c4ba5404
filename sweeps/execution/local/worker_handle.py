"""A worker process as its runner sees it: hands it tiles, hears its events, and learns how it died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution.local.worker import STOP
from phasemap.sweeps.execution.tile import Tile
from phasemap.sweeps.store.folder import Folder
from phasemap.train.machine.devices import environment


class WorkerProcess:
    """A worker as its runner sees it."""

    def __init__(self, folder: Folder, device: str, backend: str, data_dir: Path | None, *, sharing: int = 1) -> None:
        # `python -m` would put the current folder first on the path, where the user may have a `models` of their own.
        code = f"import sys; sys.path[:] = {sys.path!r}; from phasemap.sweeps.execution.local.worker import main; main(sys.argv[1:])"
        kind = device.partition(":")[0]
        self.device = device
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder.path), kind, backend, str(data_dir or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(device, sharing),
        )
        assert self.process.stdout
        assert self.process.stderr
        os.set_blocking(self.process.stdout.fileno(), False)
        self.errors: deque[bytes] = deque(maxlen=20)
        self.listener = threading.Thread(target=self.errors.extend, args=(self.process.stderr,), daemon=True)
        self.listener.start()
        self.buffer = b""
        self.verdict: str | None = None
        self.ready = False
        self.tile: Tile | None = None
        self.last_sign = self.given = time.monotonic()

    def give(self, tile: Tile) -> None:
        """Hands the worker a tile."""
        self.tile = tile
        self.last_sign = self.given = time.monotonic()
        self._send({"key": tile.key, "parameters": tile.parameters})

    def dismiss(self) -> None:
        """Lets the worker end once its tile is done."""
        self._send(None)

    def stop(self) -> None:
        """Has the worker save its tile, if it can, and end."""
        self._send(STOP)

    def _send(self, message: Any) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):  # it died; the end of its output says so
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def events(self) -> Iterator[dict[str, Any] | None]:
        """What the worker has said since; ends with None if it has ended."""
        assert self.process.stdout
        while True:
            data = self.process.stdout.read(1 << 16)  # unbuffered semantics: None when nothing is there yet
            if data is None:
                return
            if not data:
                yield None
                return
            *lines, self.buffer = (self.buffer + data).split(b"\n")
            for line in lines:
                self.last_sign = time.monotonic()
                yield json.loads(line)

    def end(self) -> str:
        """Waits for the process, which is dead or killed, and closes its pipes; how it died, in words."""
        code = self.process.wait()
        self.listener.join(1)  # a grandchild may keep the pipe open
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        if self.verdict:
            return self.verdict
        last = b"".join(self.errors).decode(errors="replace").strip().splitlines()[-1:]
        if code >= 0:
            return f"the worker ended with code {code}" + (f": {last[0]}" if last else "")
        name = signal.Signals(-code).name
        return f"the worker was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
