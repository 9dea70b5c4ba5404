"""Devices: which there are, and what a process on one of them sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from phasemap.theory.errors import InputError
from phasemap.train.machine import devices
from phasemap.train.machine.memory import SHARING


def test_a_worker_knows_how_many_share_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.SHARING == SHARING
    assert devices.environment("cpu", 2)[SHARING] == "2"
    assert devices.environment("cpu")["OMP_NUM_THREADS"] == "1"
    assert devices.environment("cpu")["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    found = devices.environment("cuda:1", 3)
    assert (found["CUDA_VISIBLE_DEVICES"], found[SHARING]) == ("7", "3")


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
