"""Workers and devices: how many of them share one, and what each is told."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from sweeps import devices
from sweeps.cost import KNOWN, cost, layer_elements
from theory.errors import InputError
from train.memory import SHARING
from train.parameters import normalise


def tile(**parameters: Any) -> dict[str, Any]:
    return normalise({"lr": 0.1, "epochs": 1, "dataset": "mnist", **parameters})


SMALL = tile(width=384, batch_size=8, depth=list(range(5, 101, 5)))
LARGE = tile(width=384, batch_size=256, depth=list(range(5, 101, 5)))


def test_one_worker_for_each_core_or_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 3)
    assert devices.assign(["cpu"], None) == ["cpu"] * 3
    assert devices.assign(["cpu"], None, [SMALL] * 9) == ["cpu"] * 3
    assert devices.assign(["cuda:0", "cuda:1"], None) == ["cuda:0", "cuda:1"]
    assert devices.assign(["cuda:0", "cuda:1"], 3) == ["cuda:0", "cuda:1", "cuda:0"]
    with pytest.raises(InputError, match="--workers 0"):
        devices.assign(["cpu"], 0)


def test_two_workers_for_a_gpu_that_one_tile_does_not_fill() -> None:
    assert layer_elements(SMALL) == 20 * 8 * 384 < devices.FULL_GPU < layer_elements(LARGE)
    assert devices.assign(["cuda:0"], None, [SMALL, SMALL]) == ["cuda:0", "cuda:0"]
    assert devices.assign(["cuda:0"], None, [LARGE, LARGE]) == ["cuda:0"]
    assert devices.assign(["cuda:0"], 1, [SMALL, SMALL]) == ["cuda:0"]  # as one asks for
    assert devices.assign(["cuda:0", "cuda:1"], None, [SMALL, SMALL]) == ["cuda:0", "cuda:1"]  # no tile for a third
    # B = 8 takes 32 times as many steps as B = 256: the longest tile decides
    assert cost(SMALL).seconds("cuda") > cost(LARGE).seconds("cuda")
    assert devices.assign(["cuda:0"], None, [LARGE, SMALL]) == ["cuda:0", "cuda:0"]


def test_a_worker_knows_how_many_share_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.SHARING == SHARING
    assert devices.environment("cpu", 2)[SHARING] == "2"
    assert devices.environment("cpu")["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    found = devices.environment("cuda:1", 3)
    assert (found["CUDA_VISIBLE_DEVICES"], found[SHARING]) == ("7", "3")


def test_what_a_layer_of_a_tile_holds() -> None:
    assert layer_elements(tile(architecture="resnet", widths="64/2@4", batch_size=16, depth=[2, 3])) == 2 * 16 * 64
    data = KNOWN["cifar10"]
    picture = layer_elements({"architecture": "vgg19-bn", "batch_size": 2, "dataset": "cifar10"})
    assert picture == 2 * 64 * 32**2 > 2 * data.inputs


def test_costs_and_devices_are_known_without_torch() -> None:
    code = "import sys, sweeps.cost, sweeps.devices; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
