"""How much memory this machine has for this process. Imports no torch: data are looked at without it."""

from __future__ import annotations

from pathlib import Path

UNKNOWN = 4.0 * 2**30
"""Bytes taken to be free where the system does not say."""


def host_available() -> float:
    """Bytes of the host that can be had without swapping, within a container's limit."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        available = float(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return UNKNOWN
    try:
        limit = float(Path("/sys/fs/cgroup/memory.max").read_text())
        used = float(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):  # no such file, or no limit ("max")
        return available
    return min(available, max(limit - used, 0.0))
