"""Where a result comes from: versions, device, commit, time. Never a path, a host name or an environment value."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

PACKAGES = ("phasemap", "torch", "torchvision", "pytorch-lightning", "numpy", "scipy")


def home() -> str:
    """The user's home folder, or nothing where there is none worth the name."""
    found = os.path.expanduser("~")  # noqa: PTH111 (Path.home raises where there is no home)
    return found if len(found) > 1 else ""


def cache_folder() -> Path:
    """Where this program keeps what can be had again: ``phasemap`` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "phasemap"


def below_home(path: str) -> str:
    """The path with the user's home folder in front written as ``~``, which is understood wherever a file is named."""
    if "/" not in path:
        return path
    folder = home()
    return f"~{path[len(folder) :]}" if folder and path.startswith(f"{folder}/") else path


@cache
def commit() -> str | None:
    """The commit this code was checked out at (with ``+`` if changed since), or None outside a checkout."""
    here = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if git("rev-parse", "--show-toplevel") != str(here):
            return None
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    from importlib.metadata import PackageNotFoundError, version  # which `phasemap list` need not wait for

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def provenance(device: str, wall_time: float) -> dict[str, Any]:
    """The ``provenance`` of a result file; ``wall_time`` in seconds."""
    return {
        "versions": dict(versions()),
        "device": device,
        "commit": commit(),
        "wall_time": round(wall_time, 3),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
