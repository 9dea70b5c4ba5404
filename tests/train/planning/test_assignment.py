"""How many workers there are for a run's tiles, on which devices; and one dtype for a tile wherever it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.theory.errors import InputError
from phasemap.train.machine import devices
from phasemap.train.parameters import normalise
from phasemap.train.planning.assignment import FULL_GPU, assign
from phasemap.train.planning.cost import cost, layer_elements
from tests.sweeps.fake_backend import FakeTrainer


def tile(**parameters: Any) -> dict[str, Any]:
    return normalise({"lr": 0.1, "epochs": 1, "dataset": "mnist", **parameters})


SMALL = tile(width=384, batch_size=8, depth=list(range(5, 101, 5)))
LARGE = tile(width=384, batch_size=256, depth=list(range(5, 101, 5)))


def test_one_worker_for_each_core_or_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 3)
    assert assign(["cpu"], None) == ["cpu"] * 3
    assert assign(["cpu"], None, [SMALL] * 9) == ["cpu"] * 3
    assert assign(["cuda:0", "cuda:1"], None) == ["cuda:0", "cuda:1"]
    assert assign(["cuda:0", "cuda:1"], 3) == ["cuda:0", "cuda:1", "cuda:0"]
    with pytest.raises(InputError, match="--workers 0"):
        assign(["cpu"], 0)


def test_two_workers_for_a_gpu_that_one_tile_does_not_fill() -> None:
    assert layer_elements(SMALL) == 20 * 8 * 384 < FULL_GPU < layer_elements(LARGE)
    assert assign(["cuda:0"], None, [SMALL, SMALL]) == ["cuda:0", "cuda:0"]
    assert assign(["cuda:0"], None, [LARGE, LARGE]) == ["cuda:0"]
    assert assign(["cuda:0"], 1, [SMALL, SMALL]) == ["cuda:0"]  # as one asks for
    assert assign(["cuda:0", "cuda:1"], None, [SMALL, SMALL]) == ["cuda:0", "cuda:1"]  # no tile for a third
    # B = 8 takes 32 times as many steps as B = 256: the longest tile decides
    assert cost(SMALL).seconds("cuda") > cost(LARGE).seconds("cuda")
    assert assign(["cuda:0"], None, [LARGE, SMALL]) == ["cuda:0", "cuda:0"]


def test_a_tile_has_one_dtype_wherever_it_is_trained() -> None:
    class Mixed(FakeTrainer):
        def dtype(self, tile: Mapping[str, Any], device: str) -> str:
            return "float32" if device == "cuda:1" else "float64"

    experiment = load("bn-fig3a", "smoke", [])
    one_kind = plan(experiment, at_work=["cuda:0", "cuda:2", "cuda:0"], trainer=Mixed())
    assert set(one_kind.manifest.dtypes) == {"float64"}
    with pytest.raises(InputError, match="float32 on cuda:1 and float64 on cuda:0; choose some of one kind"):
        plan(experiment, at_work=["cuda:0", "cuda:1", "cuda:2"], trainer=Mixed())
