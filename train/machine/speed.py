"""How fast this machine's devices are: measured once, kept in the user's cache folder, and a guess until then."""

from __future__ import annotations

import json
import math
import platform
import re
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from phasemap.train.provenance import cache_folder
from phasemap.train.whole_file import write_text


@dataclass(frozen=True)
class Rates:
    """What a device does: FLOP/s of float32 products, bytes/s, and seconds that it loses at each launch."""

    flops: float
    bandwidth: float
    launch: float


GUESSES = {"cpu": Rates(1.2e11, 1.2e10, 6e-6), "cuda": Rates(3e13, 2e12, 2e-6)}
"""One core of a server; a data-centre GPU, from its data sheet, its launches out of a CUDA graph."""
FIELDS = tuple(asdict(GUESSES["cpu"]))


def rates(device: str = "cpu") -> Rates:
    """What is known of a device: as it was measured on this machine, else a guess."""
    kind = device.partition(":")[0]
    return _measured().get(kind, GUESSES[kind])


def calibrated(device: str = "cpu") -> bool:
    """Whether the device's rates were measured on this machine, with this version of torch."""
    return device.partition(":")[0] in _measured()


def keep(device: str, found: Rates) -> None:
    """Keeps what was measured; a folder that cannot be written leaves the guess."""
    kind = device.partition(":")[0]
    known = {**_measured(), kind: found}
    path = _file()
    document = {"machine": _machine(), "rates": {name: asdict(one) for name, one in known.items()}}
    try:
        write_text(path, json.dumps(document) + "\n")
    except OSError:
        return
    _measured.cache_clear()


@cache
def _measured() -> dict[str, Rates]:
    """By kind of device; nothing where the file is missing, damaged, or of another machine or torch."""
    try:
        document = json.loads(_file().read_text(encoding="utf-8"))
        if document["machine"] != _machine():
            return {}
        found = {kind: Rates(*(float(one[name]) for name in FIELDS)) for kind, one in document["rates"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {kind: one for kind, one in found.items() if all(0 < x < math.inf for x in asdict(one).values())}


def forget() -> None:
    """Reads the file again at the next question: another process may have written it."""
    _measured.cache_clear()


def _file() -> Path:
    return cache_folder() / "speed.json"


def _machine() -> str:
    """What the rates are of: the processor and the version of torch."""
    return f"{_processor()}; torch {_torch_version()}"


def _torch_version() -> str:
    """Read from torch's own file: importing it, or searching all packages, takes longer than `phasemap list`."""
    found = find_spec("torch")
    try:
        text = Path(str(found and found.origin)).with_name("version.py").read_text(encoding="utf-8")
        return str(re.search(r"^__version__ = ['\"](.*)['\"]", text, re.MULTILINE)[1])  # type: ignore[index]
    except (OSError, TypeError):
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
