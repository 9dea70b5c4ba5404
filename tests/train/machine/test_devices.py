"""Workers and devices: how many of them share one, and what each is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from phasemap.sweeps.commands.run import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.theory.errors import InputError
from phasemap.train.machine import devices
from phasemap.train.machine.memory import SHARING
from phasemap.train.parameters import normalise
from phasemap.train.planning.cost import KNOWN, cost, layer_elements
from tests.sweeps.fake_backend import FakeBackend


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
    assert devices.environment("cpu")["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    found = devices.environment("cuda:1", 3)
    assert (found["CUDA_VISIBLE_DEVICES"], found[SHARING]) == ("7", "3")


def test_what_a_layer_of_a_tile_holds() -> None:
    assert layer_elements(tile(architecture="resnet", widths="64/2@4", batch_size=16, depth=[2, 3])) == 2 * 16 * 64
    data = KNOWN["cifar10"]
    picture = layer_elements({"architecture": "vgg19-bn", "batch_size": 2, "dataset": "cifar10"})
    assert picture == 2 * 64 * 32**2 > 2 * data.inputs


def test_costs_and_devices_are_known_without_torch() -> None:
    code = "import sys, phasemap.train.planning.cost, phasemap.train.machine.devices; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_gpu_that_torch_cannot_use_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "none", tmp_path))
    assert devices.parse(None) == ["cpu"]
    assert capsys.readouterr().err.count("an NVIDIA driver is here, but torch") == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as one asks for
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path,))
    assert devices.parse(None) == ["cpu"]
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "none",))
    assert devices.parse("cpu") == devices.parse(None) == ["cpu"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wrong", ["²", "-1", "0;1", ","])
def test_devices_are_numbers(wrong: str) -> None:
    with pytest.raises(InputError, match="expected cpu, or numbers of GPUs"):
        devices.parse(wrong)


def test_a_tile_has_one_dtype_wherever_it_is_trained() -> None:
    class Mixed(FakeBackend):
        def dtype(self, tile: Mapping[str, Any], device: str) -> str:
            return "float32" if device == "cuda:1" else "float64"

    experiment = load("bn-fig3a", "smoke", [])
    one_kind = plan(experiment, at_work=["cuda:0", "cuda:2", "cuda:0"], backend=Mixed())
    assert set(one_kind.manifest.dtypes) == {"float64"}
    with pytest.raises(InputError, match="float32 on cuda:1 and float64 on cuda:0; choose some of one kind"):
        plan(experiment, at_work=["cuda:0", "cuda:1", "cuda:2"], backend=Mixed())
