"""How many workers a run gets, and on which devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.theory.ranges import brief
from phasemap.train.machine import devices as machine
from phasemap.train.planning.cost import cost, layer_elements

MOST_WORKERS = 1024
FULL_GPU = 2**20
"""Numbers in one hidden layer of a stack that keep a data-centre GPU busy: several for each of its 10^5 threads."""


def assign(devices: list[str], workers: int | None, tiles: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """The device of each worker, round robin.

    Without ``workers``: one per CPU core; one per GPU, or two where the longest of ``tiles`` does not fill it.

    Raises:
        InputError: fewer than one worker, or more than any machine has cores.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: expected at least 1")
    if workers is not None and workers > MOST_WORKERS:
        raise InputError(f"--workers {brief(workers)}: expected at most {MOST_WORKERS} on one machine")
    if workers is None:
        workers = machine.cores() if devices == ["cpu"] else len(devices) * _per_gpu(tiles, len(devices))
    return [devices[index % len(devices)] for index in range(workers)]


def _per_gpu(tiles: Sequence[Mapping[str, Any]], gpus: int) -> int:
    """2 if there are tiles for that, and a layer of the longest one's stack leaves most of a GPU idle."""
    if len(tiles) <= gpus:
        return 1
    longest = max(tiles, key=lambda tile: cost(tile).seconds("cuda"))
    return 1 if layer_elements(longest) >= FULL_GPU else 2
