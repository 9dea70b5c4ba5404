"""Memory: what a worker may plan with, chunks that run out of it, and what is said of a network that never fits."""

from __future__ import annotations

import resource
from typing import Any

import numpy as np
import pytest
import torch

import phasemap.train.machine.host_memory
import phasemap.train.machine.memory
import phasemap.train.tile
from phasemap.theory.errors import InputError
from phasemap.train.engine.checkpoint import Stopped
from phasemap.train.machine.host_memory import UNKNOWN
from phasemap.train.machine.memory import (
    _MMAP_THRESHOLD,
    SHARING,
    USED,
    _glibc,
    budget,
    is_out_of_memory,
    keep_freed,
)
from phasemap.train.tile import train_tile

SMALL: dict[str, Any] = {"width": 8, "batch_size": 32, "train_size": 100, "test_size": 50, "lr": 0.05, "steps": 5}
AXES: dict[str, Any] = {"depth": [2, 5, 3], "seed": [0, 1]}


class Device:
    """Trains chunks of at most ``fits`` members; larger ones run out of memory after a few steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fits: int, error: Exception) -> None:
        self.trained: list[list[int]] = []
        real = phasemap.train.tile._train_chunk

        def limited(*arguments: Any) -> Any:
            self.trained.append(list(arguments[-1]))
            if len(arguments[0]) > fits:
                arguments[3](2)
                raise error
            return real(*arguments)

        monkeypatch.setattr(phasemap.train.tile, "_train_chunk", limited)


@pytest.mark.parametrize("fits", [pytest.param(1, marks=pytest.mark.slow), 2, 4])
def test_a_chunk_that_runs_out_of_memory_is_halved_to_the_same_content(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fits: int
) -> None:
    whole = train_tile({**SMALL, **AXES})["content"]
    device = Device(monkeypatch, fits, torch.cuda.OutOfMemoryError("CUDA out of memory"))
    progress: list[dict[str, Any]] = []
    assert train_tile({**SMALL, **AXES}, progress=progress.append)["content"] == whole
    assert len(device.trained[0]) == 6
    assert sorted(place for chunk in device.trained if len(chunk) <= fits for place in chunk) == list(range(6))
    assert progress[-1]["steps_done"] == progress[-1]["steps"] == 30
    assert "6 networks do not fit into the memory of cpu" in capsys.readouterr().err


def test_one_network_that_does_not_fit_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Device(monkeypatch, 0, MemoryError())
    with pytest.raises(InputError) as caught:
        train_tile({**SMALL, "depth": [2, 5]})
    (message,) = caught.value.messages
    assert "one network (depth 5, width 8, batch_size 32) does not fit into the memory that is free on cpu, " in message


def test_another_error_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch, 0, RuntimeError("device-side assert triggered"))
    with pytest.raises(RuntimeError, match="assert"):
        train_tile({**SMALL, **AXES})
    assert len(device.trained) == 1


def test_a_half_that_was_stopped_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    parameters, path = {**SMALL, **AXES}, tmp_path / "tile.ckpt"
    monkeypatch.setattr(phasemap.train.tile, "LONGEST_BLOCK", 1)
    whole = train_tile(parameters)["content"]
    Device(monkeypatch, 3, MemoryError())
    asked = iter(range(100))
    with pytest.raises(Stopped):  # in the second half, after the first half's five blocks
        train_tile(parameters, checkpoint=path, stopping=lambda: next(asked) >= 6)
    monkeypatch.undo()
    device = Device(monkeypatch, 3, MemoryError())
    assert train_tile(parameters, checkpoint=path)["content"] == whole
    assert [len(chunk) for chunk in device.trained] == [3]


def test_what_the_allocators_raise_is_known() -> None:
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(2**60)
    with pytest.raises(MemoryError) as numpys:
        np.zeros(2**55)
    assert is_out_of_memory(torchs.value)
    assert is_out_of_memory(numpys.value)
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("x"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))  # a graph's, of a kind of its own
    assert is_out_of_memory(RuntimeError("CUDA driver error: out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert not is_out_of_memory(RuntimeError("shapes"))
    assert not is_out_of_memory(None)


def test_workers_share_a_devices_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phasemap.train.machine.memory, "host_available", lambda: 6e9)
    freed: list[str] = []
    monkeypatch.setattr(phasemap.train.machine.memory, "release", freed.append)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (70e9, 80e9) if freed else (0.0, 80e9))
    assert budget("cpu") == USED * 6e9
    assert budget("cuda:0") == USED * 70e9
    monkeypatch.setenv(SHARING, "2")
    assert budget("cpu") == USED * 3e9
    assert budget("cuda:0") == USED * 40e9
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10e9, 80e9))
    assert budget("cuda:0") == USED * 10e9


def test_the_hosts_memory_is_known_or_taken_for_a_few_gigabytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    assert 1e7 < budget("cpu") < 1e14
    monkeypatch.setattr(phasemap.train.machine.host_memory, "Path", lambda name: tmp_path / "absent")
    assert budget("cpu") == USED * UNKNOWN


@pytest.mark.skipif(_glibc() is None, reason="the C library is not glibc")
def test_what_was_freed_is_used_again_without_page_faults() -> None:
    def step() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        held = [torch.ones(2**20, dtype=torch.float64) for _ in range(20)]
        del held
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages = 20 * 2**23 / resource.getpagesize()
    library = _glibc()
    assert library
    library.mallopt(_MMAP_THRESHOLD, 2**17)  # what it is at the start of a process
    assert step() > 0.9 * pages
    keep_freed()
    assert min(step() for _ in range(4)) < 0.1 * pages
