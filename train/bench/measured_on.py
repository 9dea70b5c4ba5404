"""What the numbers were measured on: never a host name or a path."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from phasemap.train.machine.devices import cores
from phasemap.train.provenance import versions


def machine(gpu: str | None) -> dict[str, Any]:
    """Processor, cores that may be used, memory, GPU."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    return {"processor": _processor(), "cores": cores(), "memory_bytes": memory, "gpu": gpu}


def software() -> dict[str, str]:
    """Versions of what is compared."""
    found = dict(versions())
    try:
        return {**found, "jax": version("jax")}
    except PackageNotFoundError:
        return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
