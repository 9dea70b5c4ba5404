"""Which devices this machine lends to a run, and how many workers fit."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.train.planning.cost import cost, layer_elements

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SHARING = "PHASEMAP_WORKERS_ON_DEVICE"  # read by phasemap.train.machine.memory, which this room must not import before torch is wanted
FULL_GPU = 2**20
"""Numbers in one hidden layer of a stack that keep a data-centre GPU busy: several for each of its 10^5 threads."""


def parse(devices: str | None) -> list[str]:
    """``--devices``: ``cpu``, GPU numbers (``0,1``), or None for every GPU there is, else the CPU.

    Raises:
        InputError: not of that form, or GPUs that this machine has not.
    """
    if devices is None:
        return [f"cuda:{index}" for index in range(_gpus())] or ["cpu"]
    entries = [entry.strip() for entry in devices.split(",") if entry.strip()]
    if entries == ["cpu"]:
        return entries
    if not entries or not all(entry.isdecimal() for entry in entries):
        raise InputError(f"--devices {devices}: expected cpu, or numbers of GPUs such as 0,1")
    there = _gpus()
    absent = [entry for entry in entries if int(entry) >= there]
    if absent:
        raise InputError(f"--devices {devices}: there is no GPU {', '.join(absent)}; PyTorch sees {there} here")
    return [f"cuda:{int(entry)}" for entry in entries]


def assign(devices: list[str], workers: int | None, tiles: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """The device of each worker, round robin.

    Without ``workers``: one per CPU core; one per GPU, or two where the longest of ``tiles`` does not fill it.

    Raises:
        InputError: fewer than one worker.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: expected at least 1")
    if workers is None:
        workers = cores() if devices == ["cpu"] else len(devices) * _per_gpu(tiles, len(devices))
    return [devices[index % len(devices)] for index in range(workers)]


def _per_gpu(tiles: Sequence[Mapping[str, Any]], gpus: int) -> int:
    """2 if there are tiles for that, and a layer of the longest one's stack leaves most of a GPU idle."""
    if len(tiles) <= gpus:
        return 1
    longest = max(tiles, key=lambda tile: cost(tile).seconds("cuda"))
    return 1 if layer_elements(longest) >= FULL_GPU else 2


def environment(device: str, sharing: int = 1) -> dict[str, str]:
    """The environment of a process that works on ``device``: sees no other GPU (on the CPU none, which libraries would
    set up); one thread on a CPU; knows how many workers share the device's memory."""
    values = {**os.environ, SHARING: str(sharing)}
    kind, _, index = device.partition(":")
    if kind == "cpu":
        values.update({**dict.fromkeys(THREAD_VARIABLES, "1"), "CUDA_VISIBLE_DEVICES": ""})
    else:
        visible = [entry for entry in values.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry]
        values["CUDA_VISIBLE_DEVICES"] = visible[int(index)] if int(index) < len(visible) else index
    return values


def cores() -> int:
    """CPU cores this process may use: affinity, and the quota of a container."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(available, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or no quota ("max")
        return available


DRIVERS = (Path("/dev/nvidiactl"), Path("/proc/driver/nvidia"), Path("/dev/dxg"))
"""What is there if an NVIDIA driver is: its device (made when first used), its folder, WSL's device."""


def _gpus() -> int:
    if not any(driver.exists() for driver in DRIVERS):
        return 0  # saves the seconds that importing torch takes
    import torch

    if torch.cuda.is_available():
        return torch.cuda.device_count()
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all"):
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
        print(
            f"phasemap: note: an NVIDIA driver is here, but torch {torch.__version__} ({built}) cannot use it; "
            "see nvidia-smi and docs/gpu-workstation.md",
            file=sys.stderr,
        )
    return 0
