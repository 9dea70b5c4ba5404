"""The process that workers are forked from: it has loaded what training needs, once for all of them.

It has one thread and has touched no GPU, so that a fork of it is as good as a new process. From the socket that it
inherits it reads one JSON line a request: ``{"fork": NUMBER, "arguments", "environment"}`` with a worker's standard
input, output and error, where an environment's null unsets a variable; or ``{"kill": NUMBER}``. It writes one JSON line
for each worker that has ended, ``{"number", "code"}``, or that could not be forked, ``{"number", "errno"}``. It ends,
and its workers with it, when whoever started it closes the socket or is gone.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

from phasemap.sweeps.execution.local import worker
from phasemap.sweeps.execution.trainer import trainer_named
from phasemap.train.machine.processes import die_with_parent

STREAMS = 3
AT_ONCE = 1 << 16
"""Bytes that are read at once."""
READY = {"ready": True}
"""What it writes first."""


class ForkServer:
    """Forks workers, and says how they end.

    Args:
        requests: to whoever started this process.
    """

    def __init__(self, requests: socket.socket) -> None:
        self.requests = requests
        self.unfinished_line = b""
        self.streams: list[int] = []
        self.inherited: tuple[int, ...] = ()
        """What a worker closes."""
        self.alive: dict[int, int] = {}
        """Numbers of workers by process."""

    def serve(self) -> None:
        """Until the socket is closed at its other end."""
        ends, wakes = os.pipe()
        for end in (ends, wakes):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        requests = self.requests.fileno()
        self.inherited = (ends, wakes, requests)
        try:
            self._say(READY)
            while True:
                there, _, _ = select.select([ends, requests], [], [])
                if ends in there:
                    os.read(ends, AT_ONCE)
                    self._tell_who_ended()
                if requests in there and not self._read():
                    return
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            for process in self.alive:
                os.kill(process, signal.SIGKILL)
            for process in self.alive:
                os.waitpid(process, 0)

    def _say(self, message: dict[str, Any]) -> None:
        self.requests.sendall(json.dumps(message).encode() + b"\n")

    def _read(self) -> bool:
        """Answers the requests that have come; whether there may be more."""
        try:
            data, streams, _, _ = socket.recv_fds(self.requests, AT_ONCE, STREAMS)
        except ConnectionResetError:
            return False
        self.streams += streams
        *lines, self.unfinished_line = (self.unfinished_line + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "kill" in request:
                for process in [process for process, number in self.alive.items() if number == request["kill"]]:
                    os.kill(process, signal.SIGKILL)  # it was not waited for yet: the number is its own
            else:
                self._fork(request)
        return bool(data)

    def _fork(self, request: dict[str, Any]) -> None:
        streams, self.streams = self.streams[:STREAMS], self.streams[STREAMS:]
        parent = os.getpid()
        try:
            process = os.fork()
        except OSError as error:
            self._say({"number": request["fork"], "errno": error.errno})
        else:
            if process == 0:
                self._become_worker(request, streams, parent)
            self.alive[process] = request["fork"]
        for stream in streams:
            os.close(stream)

    def _become_worker(self, request: dict[str, Any], streams: list[int], parent: int) -> NoReturn:
        """Makes this process, which was just forked, a worker."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(parent=parent)
            for place, stream in enumerate(streams):
                os.dup2(stream, place)
            for stream in (*streams, *self.inherited):
                os.close(stream)
            for name, value in request["environment"].items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            worker.main(request["arguments"])
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            for output in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    output.flush()
            os._exit(code)

    def _tell_who_ended(self) -> None:
        """Of all: signals that come at the same time are one."""
        for process in list(self.alive):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                self._say({"number": self.alive.pop(process), "code": os.waitstatus_to_exitcode(status)})


def main(arguments: list[str]) -> None:
    """``TRAINER SOCKET``, the number of the inherited one."""
    trainer, requests = arguments
    # Ctrl-C, or a cluster's SIGTERM, reaches the whole group; the run decides. Blocked rather than ignored, because
    # Lightning puts handlers of its own in place of ours. Workers inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    with suppress(Exception):  # what fails here fails in the worker, too, which says so
        if sys.platform == "linux":  # elsewhere libraries of the system do not survive a fork
            trainer_named(trainer).load()
    gc.freeze()  # workers share what was loaded, and search none of it for garbage
    ForkServer(socket.socket(fileno=int(requests))).serve()
