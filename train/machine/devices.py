"""Which devices this machine has, and what a process that works on one of them sees."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

from phasemap.theory.errors import InputError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SHARING = "PHASEMAP_WORKERS_ON_DEVICE"  # memory.py reads it; importing that would import torch
LONGEST_NUMBER = 4
"""Digits of a GPU's number."""


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
    if not entries or not all(entry.isdecimal() and len(entry) <= LONGEST_NUMBER for entry in entries):
        raise InputError(f"--devices {devices[:80]}: expected cpu, or numbers of GPUs such as 0,1")
    there = _gpus()
    absent = [entry for entry in entries if int(entry) >= there]
    if absent:
        raise InputError(f"--devices {devices}: there is no GPU {', '.join(absent)}; PyTorch sees {there} here")
    return [f"cuda:{int(entry)}" for entry in entries]


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
    here = psutil.Process()
    available = len(here.cpu_affinity()) if hasattr(here, "cpu_affinity") else psutil.cpu_count() or 1
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
