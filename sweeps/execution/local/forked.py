"""Processes forked from a fork server, as the one that started it sees them: what `subprocess.Popen` is to others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO, cast

from phasemap.sweeps.execution.local.fork_server import AT_ONCE, READY
from phasemap.train.machine.processes import python_command

MAIN = "phasemap.sweeps.execution.local.fork_server"
PATIENCE = 10.0
"""Seconds that a fork server has to end its workers in."""


class Server:
    """A fork server, started.

    Args:
        trainer: whose libraries it loads. environment: its own; a worker's may differ.

    Raises:
        OSError: there is no room for one more process.
    """

    def __init__(self, trainer: str, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        self.requests, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                python_command(MAIN, trainer, str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                env=self.environment,
                pass_fds=[theirs.fileno()],
            )
        self.started = 0
        self.heard = b""
        self.ready = False
        self.ends: dict[int, dict[str, int]] = {}

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self.process.poll() is not None

    def fork(self, arguments: list[str], environment: Mapping[str, str]) -> Forked:
        """A process that calls the worker's ``main(arguments)``, as soon as the server has loaded what it needs."""
        self.started += 1
        changed: dict[str, str | None] = dict.fromkeys(self.environment.keys() - environment.keys())
        changed |= {name: value for name, value in environment.items() if self.environment.get(name) != value}
        ours, theirs = [], []
        for writing in (True, False, False):
            read, write = os.pipe()
            ours.append(write if writing else read)
            theirs.append(read if writing else write)
        self._ask({"fork": self.started, "arguments": arguments, "environment": changed}, theirs)
        for stream in theirs:
            os.close(stream)
        return Forked(self, self.started, ours)

    def kill(self, number: int) -> None:
        """Kills a worker."""
        self._ask({"kill": number})

    def wait(self, number: int) -> int:
        """Waits for the end of a worker; its code, which is the server's where that is gone, and the worker with it.

        Raises:
            OSError: it could not be forked.
        """
        while number not in self.ends:
            if not (data := self._hear()):
                return self.process.wait()
            *lines, self.heard = (self.heard + data).split(b"\n")
            for message in map(json.loads, lines):
                if message == READY:
                    self.ready = True
                else:
                    self.ends[message.pop("number")] = message
        end = self.ends[number]
        if "errno" in end:
            raise OSError(end["errno"], os.strerror(end["errno"]))
        return end["code"]

    def _hear(self) -> bytes:
        """What it says next; nothing if it is gone."""
        if self.requests.fileno() < 0:
            return b""
        try:
            return self.requests.recv(AT_ONCE)
        except ConnectionResetError:  # it died before it had read everything
            return b""

    def last_words(self) -> list[bytes]:
        """What it, or a library that it loaded, has printed; nothing once it is closed."""
        if self.errors.closed:
            return []
        self.errors.seek(0)
        return self.errors.readlines()[-20:]

    def close(self) -> None:
        """Ends it and every worker that is left; they are gone then."""
        self.requests.setblocking(False)
        with suppress(OSError):
            self.ready = self.ready or bool(self.requests.recv(AT_ONCE))
        self.requests.close()
        try:
            self.process.wait(PATIENCE if self.ready else 0)  # as long as it loads it has no workers, and hears nothing
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def _ask(self, request: dict[str, Any], streams: list[int] | None = None) -> None:
        line = json.dumps(request).encode() + b"\n"
        with suppress(OSError):  # it is gone: so are its workers, and their pipes say it
            sent = socket.send_fds(self.requests, [line], streams) if streams else 0
            self.requests.sendall(line[sent:])


class Forked:
    """One process.

    Attributes:
        stdin, stdout, stderr: the ends of its pipes; the second never waits for data.
    """

    def __init__(self, server: Server, number: int, streams: list[int]) -> None:
        self.server, self.number = server, number
        self.stdin = os.fdopen(streams[0], "wb")
        os.set_blocking(streams[1], False)
        self.stdout = cast(BinaryIO, os.fdopen(streams[1], "rb", 0))
        self.stderr = os.fdopen(streams[2], "rb")

    def kill(self) -> None:
        """Ends the process whatever it does."""
        self.server.kill(self.number)

    def wait(self) -> int:
        """Waits for its end; its code, negative for a signal. Raises OSError if it could not be forked."""
        return self.server.wait(self.number)

    def close(self) -> None:
        """Closes its pipes."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            with suppress(OSError):
                pipe.close()
