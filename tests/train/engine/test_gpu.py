"""What only a GPU shows: the captured step, memory that runs out, and neighbours on one device. ``pytest -m gpu``"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

import phasemap.train.engine.stack_module
import phasemap.train.tile
from phasemap.train.engine.cuda_graph import CudaRecorder
from phasemap.train.families.catalogue import family_of
from phasemap.train.machine.memory import SHARING
from phasemap.train.planning.dtype import float32_products
from phasemap.train.tile import train_tile

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
SMALL: dict[str, Any] = {"width": 64, "batch_size": 32, "train_size": 400, "test_size": 100, "lr": 0.02, "steps": 40}
AXES: dict[str, Any] = {"depth": [3, 12, 7], "seed": [0, 4]}
FAMILIES = [
    {},
    {"momentum": 0.9, "activation": "tanh"},
    {"optimizer": "rmsprop", "lr": 1e-3, "activation": "erf"},
    {"statistics_batch_size": 8, "train_bn": False},
    {"architecture": "bn-resnet"},
    {"architecture": "resnet", "widths": "64", "activation": "tanh", "lr": 1e-3},
    {"architecture": "mlp", "activation": "tanh", "sigma_w": 1.4, "sigma_b": 0.2},
    {"architecture": "mlp", "norm": "layer", "keep": [0.5, 0.9], "sigma_b": 0.0},
]
VGG: dict[str, Any] = {"architecture": "vgg19-bn", "lr": 0.01, "momentum": 0.9, "schedule": "steps", "steps": 8}
IDS = ["sgd", "momentum", "rmsprop", "sub-batches", "skip connections", "resnet", "ordinary", "layer norm and dropout"]


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    """A limit set by one test must not reach the next."""
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def parameters(settings: dict[str, Any]) -> dict[str, Any]:
    merged = {**SMALL, **AXES, **settings}
    foreign = {"resnet": ["width"], "vgg19-bn": ["width", "depth"]}.get(merged.get("architecture", ""), [])
    return {name: value for name, value in merged.items() if name not in foreign}


def content(settings: dict[str, Any]) -> dict[str, Any]:
    return dict(train_tile(parameters(settings), device="cuda:0")["content"])


def without_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phasemap.train.engine.stack_module, "why_eager", lambda **reasons: "this test wants no graph")


@pytest.mark.parametrize("settings", FAMILIES, ids=IDS)
@pytest.mark.parametrize("block", [1, 7, 250])
def test_a_graph_changes_no_bit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], block: int
) -> None:
    """The same kernels on the same numbers in the same order: replayed or launched one by one. Short last blocks, and
    blocks of one step, which end before the capture, included."""
    monkeypatch.setattr(phasemap.train.tile, "LONGEST_BLOCK", block)
    captured: list[Any] = []
    real = CudaRecorder.record
    monkeypatch.setattr(CudaRecorder, "record", lambda self, step: captured.append(1) or real(self, step))
    replayed = content(settings)
    assert len(captured) == 1
    assert "no CUDA graph" not in capsys.readouterr().err
    without_graphs(monkeypatch)
    assert content(settings) == replayed
    assert "no CUDA graph, steps are launched one by one: this test" in capsys.readouterr().err


@pytest.mark.parametrize("settings", FAMILIES, ids=IDS)
def test_the_gpu_trains_as_the_cpu_does(settings: dict[str, Any]) -> None:
    """In float64, 20 steps; only the order of additions differs. The depth is one at which that stays small: with
    statistics over 8 samples gradients grow by 1.78 a layer, and 12 layers make 0.1 of it."""
    depths = {"depth": [3, 7]} if "statistics_batch_size" in settings else {}
    asked = parameters({**settings, **depths, "dtype": "float64", "steps": 20})
    ours = train_tile(asked, device="cuda:0")["content"]["cells"]
    theirs = train_tile(asked, device="cpu")["content"]["cells"]
    for one, other in zip(ours, theirs, strict=True):
        # RMSProp divides by gradients that are nearly nothing: 1e-8 of rounding, 1e-13 in the others
        allowed = 1e-6 if "optimizer" in settings else 1e-9
        assert one["history"]["loss"] == pytest.approx(other["history"]["loss"], rel=allowed)


def in_a_process(code: str, *arguments: str) -> tuple[str, str]:
    """What it prints, and says on standard error. A failed capture leaves the process's allocator damaged."""
    ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, ended.stderr


def test_a_capture_that_fails_falls_back_to_the_same_bits() -> None:
    code = """
import json, sys, torch
from phasemap.train.engine.cuda_graph import CudaRecorder
from phasemap.train.tile import train_tile

record = CudaRecorder.record

def broken(self, step):
    def step_and_wait():
        step()
        torch.cuda.synchronize()  # not permitted in a capture

    return record(self, step_and_wait)

CudaRecorder.record = broken
for _ in range(2):
    print(json.dumps(train_tile(json.loads(sys.argv[1]), device="cuda:0")["content"]))
"""
    out, err = in_a_process(code, json.dumps(parameters({})))
    expected = json.loads(json.dumps(content({})))
    assert [json.loads(line) for line in out.splitlines()] == [expected, expected]
    assert err.count("no CUDA graph, steps are launched one by one: the capture failed") == 1
    assert err.count("no CUDA graph, steps are launched one by one: an earlier capture failed") == 1


def test_after_a_failed_capture_the_stream_is_what_it_was() -> None:
    code = """
import torch
from phasemap.train.engine.cuda_graph import CudaRecorder

recorder = CudaRecorder(torch.device("cuda:0"))
try:
    recorder.record(torch.cuda.synchronize)
except RuntimeError:
    print(torch.cuda.current_stream() == torch.cuda.default_stream(), CudaRecorder.broken)
"""
    assert in_a_process(code)[0].split() == ["True", "True"]


def test_stopped_and_resumed_with_graphs(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from phasemap.train.engine.checkpoint import Stopped

    monkeypatch.setattr(phasemap.train.tile, "LONGEST_BLOCK", 8)
    whole, path = content({"momentum": 0.9}), tmp_path / "tile.ckpt"
    asked = iter(range(100))
    with pytest.raises(Stopped):
        train_tile(parameters({"momentum": 0.9}), device="cuda:0", checkpoint=path, stopping=lambda: next(asked) >= 3)
    resumed = train_tile(parameters({"momentum": 0.9}), device="cuda:0", checkpoint=path)["content"]
    assert json.dumps(resumed) == json.dumps(whole)


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever has the host wait for the GPU is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")  # its own notice
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("settings", [*FAMILIES, VGG], ids=[*IDS, "vgg"])
def test_no_step_of_a_block_waits_for_the_gpu(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    """Replayed or, as VGG's, launched one by one; the steps before a capture apart, and the first, which sets up."""
    from phasemap.train.engine.cuda_graph import Repeat

    real, watched = Repeat.__call__, []

    def watch(self: Repeat) -> None:
        if self.graph is None and (self.recorder or not watched):
            watched.append(False)
            return real(self)
        with no_waiting():
            watched.append(True)
            return real(self)

    monkeypatch.setattr(Repeat, "__call__", watch)
    assert content(settings)["cells"][0]["outcome"] == "finished"
    assert any(watched)


def test_what_waits_is_found() -> None:
    x = torch.ones(3, device="cuda")
    with no_waiting(), pytest.raises(RuntimeError):
        x.sum().item()


def test_a_chunk_that_is_too_large_is_halved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The planner is told of plenty, the allocator is allowed about a third of what the tile takes."""
    asked = parameters({"width": 256, "batch_size": 128, "depth": 30, "seed": list(range(32)), "steps": 6})
    needed = sum(
        family_of(cell).step_cost(cell, inputs=64, classes=10).memory
        for cell in phasemap.train.tile.cells(phasemap.train.tile.normalise(asked))
    )
    monkeypatch.setattr(phasemap.train.tile, "budget", lambda device: 1e15)
    torch.cuda.empty_cache()
    limit = torch.cuda.memory_reserved() + needed / 3
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    result = train_tile(asked, device="cuda:0")["content"]
    assert {cell["outcome"] for cell in result["cells"]} == {"finished"}
    assert "do not fit into the memory" in capsys.readouterr().err


def test_memory_is_free_again_after_a_tile() -> None:
    content({})
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    for _ in range(3):
        content({})
    phasemap.train.tile.release("cuda:0")
    assert torch.cuda.memory_reserved() <= before + 32 * 2**20  # cuBLAS keeps workspaces


def test_the_planners_memory_is_what_a_step_takes() -> None:
    """Within a factor of two: the plan leaves a fifth free, and what does not fit is halved."""
    asked = parameters({"width": 384, "batch_size": 128, "depth": 40, "seed": list(range(8)), "steps": 6})
    points = phasemap.train.tile.cells(phasemap.train.tile.normalise(asked))
    planned = sum(family_of(cell).step_cost(cell, inputs=64, classes=10).memory for cell in points)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    train_tile(asked, device="cuda:0")
    used = torch.cuda.max_memory_allocated() - before
    assert planned / 2 < used < 2 * planned


def test_two_workers_on_one_device() -> None:
    code = (
        "import json, sys; from phasemap.train.tile import train_tile;"
        "print(json.dumps(train_tile(json.loads(sys.argv[1]), device='cuda:0')['content']))"
    )
    environment = {**os.environ, SHARING: "2"}
    asked = json.dumps(parameters({}))
    workers = [
        subprocess.Popen([sys.executable, "-c", code, asked], stdout=subprocess.PIPE, env=environment) for _ in range(2)
    ]
    contents = [json.loads(worker.communicate(timeout=300)[0]) for worker in workers]
    assert contents[0] == contents[1] == json.loads(json.dumps(content({})))


def test_tf32_is_off_unless_asked_for() -> None:
    """TF32 rounds factors to 10 bits: errors of 2^-11 relative, which float32 products do not have."""
    a = torch.randn(256, 256, device="cuda", generator=torch.Generator("cuda").manual_seed(0))
    exact = a.double() @ a.double()

    def error(tf32: bool | None) -> float:
        with float32_products(tf32):
            return float(((a @ a).double() - exact).abs().max() / exact.abs().max())

    assert error(None) < 2**-18
    if torch.cuda.get_device_capability()[0] >= 8:
        assert error(True) > 2**-14
