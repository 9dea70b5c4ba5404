"""How much memory a device has for this process, and how to tell that it ran out."""

from __future__ import annotations

import ctypes
import gc
import os
from functools import cache

import torch

from phasemap.train.machine.host_memory import host_available

SHARING = "PHASEMAP_WORKERS_ON_DEVICE"
"""Environment variable: how many workers of a run share this one's device (``machine.devices.environment``)."""
USED = 0.8
"""Share of the memory that is planned with: the rest is for what is not counted (workspaces, fragments)."""
RAN_OUT = ("can't allocate memory", "CUDA error: out of memory", "driver error: out of memory", "STATUS_ALLOC_FAILED")
"""What a RuntimeError says if memory ran out: the host's, a CUDA graph's, the driver's, that of cuBLAS or cuDNN."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def budget(device: str) -> float:
    """Bytes that one worker may plan with."""
    sharing = max(1, int(os.environ.get(SHARING, "1")))
    if device.startswith("cuda"):
        release(device)  # what earlier tiles left behind is free, too
        free, total = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # after a failed capture
        return USED * min(free + kept, total / sharing)
    return USED * host_available() / sharing


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether the error, or one that it came from, says that memory ran out, on a GPU or on the host."""
    while error is not None:
        if says_out_of_memory(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def says_out_of_memory(error: BaseException) -> bool:
    """Whether the error itself says so, wherever it came from."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in RAN_OUT)


def keep_freed() -> None:
    """Has the C library keep what a step frees for the next one. Of itself it gives large memory back to the system,
    and every fresh page costs a fault: up to a quarter of the time of a deep stack. Nothing happens without glibc."""
    if library := _glibc():
        library.mallopt(_MMAP_THRESHOLD, 2**30)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # no C library to ask, as on Windows
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def release(device: str) -> None:
    """Gives back what nothing refers to any more; Lightning's trainer and modules refer to each other."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif library := _glibc():
        library.malloc_trim(0)
