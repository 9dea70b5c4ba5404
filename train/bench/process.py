"""A process that trains by one method, timed: one thread, started once, then given tile after tile.

Every method has a process of its own, so that its peak memory is its own, and they can take turns.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasemap.train.bench.cases import ENGINE, JAX, LIGHTNING, PLAIN, VMAP
from phasemap.train.machine.devices import environment
from phasemap.train.machine.processes import python_command
from phasemap.train.parameters import normalise
from phasemap.train.planning.dtype import float32_products

MODULES = {ENGINE: "engine", LIGHTNING: "lightning_runs", PLAIN: "plain_loop", VMAP: "torch_vmap", JAX: "jax_vmap"}
"""Of each method, the module in this folder whose ``train(parameters, device)`` gives the losses, cell by cell."""


class MethodError(Exception):
    """A method that cannot do its part here; the message says why."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one training: on the wall, and of the processor (all processes together)."""

    wall: float
    cpu: float


class MethodProcess:
    """The process of one method.

    Raises:
        MethodError: from ``reply``: it is not installed, or it failed.
    """

    def __init__(self, method: str, device: str) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            python_command("phasemap.train.bench.process", method, device.partition(":")[0]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment(device),
        )

    def ask(self, **message: Any) -> None:
        """Sends one message; ``reply`` waits for its answer."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it died; the reply says so
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def reply(self) -> dict[str, Any]:
        """The next answer (the first one says that the process is ready)."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            last = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
            raise MethodError(f"its process ended with code {self.process.wait()}" + (f": {last[0]}" if last else ""))
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise MethodError(answer["failed"])
        return answer

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.wait()
        self.errors.close()


def train_together(processes: list[MethodProcess], tiles: list[dict[str, Any]]) -> Timing:
    """Has each process train its tile, all at once; the wall's seconds until the last is done."""
    started = time.perf_counter()
    for process, tile in zip(processes, tiles, strict=True):
        process.ask(train=tile)
    answers = [process.reply() for process in processes]
    return Timing(time.perf_counter() - started, sum(answer["cpu"] for answer in answers))


def train_afresh(tiles: list[dict[str, Any]], device: str) -> tuple[Timing, dict[str, int]]:
    """The engine's whole run: as many processes as tiles, from their start to their end; and their peak memory.

    Raises:
        MethodError: one failed.
    """
    started = time.perf_counter()
    processes = [MethodProcess(ENGINE, device) for _ in tiles]
    try:
        for process in processes:
            process.reply()
        train_together(processes, tiles)
        used = [memory_and_time(process) for process in processes]
    finally:
        for process in processes:
            process.close()
    wall, cpu = time.perf_counter() - started, sum(one.pop("cpu") for one in used)
    return Timing(wall, cpu), {name: sum(one[name] for one in used) for name in used[0]}


def run_agent(tile: dict[str, Any], device: str) -> tuple[Timing, int]:
    """A Lightning run of one cell in a fresh process, and its peak memory in bytes.

    Raises:
        MethodError: it failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        python_command("phasemap.train.bench.methods.lightning_runs", json.dumps(tile), device.partition(":")[0]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(device),
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise MethodError(f"its process ended with code {process.returncode}")
    return Timing(time.perf_counter() - started, usage.ru_utime + usage.ru_stime), usage.ru_maxrss * _MAXRSS_UNIT


def memory_and_time(process: MethodProcess) -> dict[str, Any]:
    """Peak memory of a process so far (``peak_bytes``; of the GPU ``device_peak_bytes``), what it took before its first
    tile (``start_bytes``), and the processor's seconds since its start (``cpu``)."""
    process.ask(usage=True)
    return process.reply()


_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def _peak_bytes() -> int:
    status = Path("/proc/self/status")  # exact; ru_maxrss may be what was there before exec
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT


def main(arguments: list[str]) -> None:
    """``METHOD DEVICE``; then a JSON message a line on standard input, an answer a line on standard output."""
    method, device = arguments
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed

    def say(**answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        train = importlib.import_module(f"phasemap.train.bench.methods.{MODULES[method]}").train
    except ImportError as error:
        say(failed=f"not installed: {error.name or error}")
        return
    start_bytes = _peak_bytes()
    say(ready=True)
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if "train" in message:
                cpu = _timed(train, message["train"], device, method)
                say(cpu=cpu)
            elif "peaks" in message:
                from phasemap.train.bench.roofline import measure_peaks

                say(**measure_peaks(device), gpu=_gpu(device))
            elif "profile" in message:
                say(**_profile(device, **message))
            else:
                say(
                    peak_bytes=_peak_bytes(),
                    start_bytes=start_bytes,
                    cpu=time.process_time(),
                    **_device_peak(device, method),
                )
        except Exception as error:
            say(failed=f"{type(error).__name__}: {error}".splitlines()[0])
            return


def _timed(train: Any, parameters: dict[str, Any], device: str, method: str) -> float:
    if method != JAX:
        import torch

        torch.set_flush_denormal(True)  # for all, as the engine has it: vanishing gradients would cost a hundredfold
    complete = normalise(parameters)
    with contextlib.nullcontext() if method == JAX else float32_products(None):
        started = time.process_time()
        train(complete, device)  # the losses come back as numbers, so that a GPU is done too
        return time.process_time() - started


def _profile(device: str, profile: dict[str, Any], inputs: int, classes: int) -> dict[str, Any]:
    """Where the time of a tile's steps goes, in a process like a worker's."""
    import torch

    from phasemap.train.bench.profile import shares
    from phasemap.train.machine.memory import keep_freed

    torch.set_flush_denormal(True)
    if device == "cpu":
        keep_freed()
    return shares(profile, device, inputs=inputs, classes=classes)


def _gpu(device: str) -> str | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.get_device_name()


def _device_peak(device: str, method: str) -> dict[str, int]:
    if not device.startswith("cuda") or method == JAX:  # whose memory torch does not see
        return {}
    import torch

    return {"device_peak_bytes": torch.cuda.max_memory_allocated()}
