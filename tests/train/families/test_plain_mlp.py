"""Ordinary networks as the table of parameters has them: stacks, dtype, costs, and trainings that company, a stop or
the division into chunks changes by no bit."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import phasemap.train.tile
from phasemap.models.mlp import MLPCell, MLPStack
from phasemap.theory.activations import BUILT_IN
from phasemap.theory.errors import InputError
from phasemap.theory.mlp.transients import transient
from phasemap.train.cells import cells
from phasemap.train.data.load import load
from phasemap.train.engine.checkpoint import Stopped
from phasemap.train.engine.data_order import epoch_order
from phasemap.train.families.mlp_gradients import log_gradient_ratio
from phasemap.train.families.plain_mlp import FAMILY, layer
from phasemap.train.parameters import normalise
from phasemap.train.planning.chunks import chunks
from phasemap.train.planning.dtype import FLOAT32_SPAN, resolve_dtype
from phasemap.train.tile import train_tile
from tests.models.test_mlp import network
from tests.train.engine.test_device import make_step, run

BASE: dict[str, Any] = {
    "architecture": "mlp",
    "activation": "tanh",
    "width": 12,
    "sigma_w": 1.5,
    "sigma_b": 0.2,
    "batch_size": 16,
    "train_size": 200,
    "test_size": 100,
    "lr": 0.05,
    "steps": 12,
}
AXES: dict[str, Any] = {"depth": [5, 2], "seed": [2, 0], "sigma_w": [1.0, 1.5], "keep": [1.0, 0.9]}
KINDS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum, layer norm": {"momentum": 0.9, "norm": "layer", "eps": [1e-3, 0.1], "sigma_w": 1.5},
    "rmsprop, orthogonal": {"optimizer": "rmsprop", "lr": 1e-3, "init": "orthogonal", "train_bias": False},
    "monitor": {"monitor": "step", "activation": "gelu"},
}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """For bitwise equality."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def of_kinds(first: str) -> list[Any]:
    """All of ``KINDS``, of which one is fast enough to be in every run."""
    marks = {name: [] if name == first else [pytest.mark.slow] for name in KINDS}
    return [pytest.param(kind, id=name, marks=marks[name]) for name, kind in KINDS.items()]


def content(**changes: Any) -> dict[str, Any]:
    return dict(train_tile({**BASE, **changes})["content"])


def one_cell(**changes: Any) -> Any:
    (cell,) = cells(normalise({**BASE, **changes}))
    return cell


@pytest.mark.parametrize("kind", of_kinds("momentum, layer norm"))
def test_chunks_and_company_change_no_bit(monkeypatch: pytest.MonkeyPatch, kind: dict[str, Any]) -> None:
    asked = {**AXES, **kind}
    together = content(**asked)

    def others(points: list[Any], **plan: Any) -> list[list[int]]:
        """By twos at most, in an order of their own, but never what does not fit in one stack."""
        groups: dict[Any, list[int]] = {}
        for place in np.random.default_rng(0).permutation(len(points)).tolist():
            groups.setdefault(FAMILY.stacking_key(points[place]), []).append(place)
        return [group[start : start + 2] for group in groups.values() for start in range(0, len(group), 2)]

    monkeypatch.setattr(phasemap.train.tile, "chunks", others)
    assert json.dumps(content(**asked)) == json.dumps(together)
    monkeypatch.undo()
    for place, cell in enumerate(together["cells"]):
        if place % 7 == 0:
            alone = content(**{**kind, **{name: cell["parameters"][name] for name in (*AXES, "eps")}})
            assert json.dumps(alone["cells"]) == json.dumps([cell])


@pytest.mark.parametrize("kind", of_kinds("rmsprop, orthogonal"))
def test_a_stopped_tile_ends_in_the_same_content_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: dict[str, Any]
) -> None:
    monkeypatch.setattr(phasemap.train.tile, "LONGEST_BLOCK", 3)
    asked = {**BASE, **AXES, "steps": 20, **kind}
    whole, path = train_tile(asked)["content"], tmp_path / "tile.ckpt"
    for blocks in (1, 3, 2, 9):
        questions = iter(range(1, 1000))
        with pytest.raises(Stopped):
            train_tile(asked, checkpoint=path, stopping=lambda: next(questions) >= blocks)  # noqa: B023
        assert path.is_file()
    assert json.dumps(train_tile(asked, checkpoint=path)["content"]) == json.dumps(whole)


def test_other_masks_are_another_training() -> None:
    """The test above would pass with masks that never change."""
    plain, dropped = content(), content(keep=0.5)
    assert plain["cells"][0]["history"]["loss"][0] != dropped["cells"][0]["history"]["loss"][0]


def test_a_stack_finds_the_parameters_of_plain_single_training(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks: list[MLPStack] = []
    real = FAMILY.build
    monkeypatch.setattr(type(FAMILY), "build", lambda self, *a, **k: stacks.append(real(*a, **k)) or stacks[-1])
    found = content(depth=[2, 6], seed=[0, 3], sigma_w=[1.0, 2.0], dtype="float64", momentum=0.5)
    (stack,) = stacks
    data = load(normalise(BASE))
    for member, cell in enumerate(sorted(found["cells"], key=lambda cell: -cell["parameters"]["depth"])):
        p = cell["parameters"]
        plain, losses = _trained(p, data)
        np.testing.assert_allclose(cell["history"]["loss"], losses, rtol=1e-9)
        linears = [module for module in plain if isinstance(module, nn.Linear)]
        for number, linear in enumerate(linears[:-1]):
            torch.testing.assert_close(stack.weight[number][member].T, linear.weight, rtol=1e-9, atol=1e-11)
            torch.testing.assert_close(stack.hidden_bias[number][member, 0], linear.bias, rtol=1e-9, atol=1e-11)
        with torch.no_grad():
            predicted = plain(torch.from_numpy(data.x_test).double()).argmax(1).numpy()
        assert cell["test_accuracy"] == pytest.approx(float(np.mean(predicted == data.y_test)))


def _trained(p: Any, data: Any) -> tuple[nn.Sequential, list[float]]:
    """The network of ``tests.models.test_mlp`` with digits' inputs, trained by torch's own SGD."""
    cell = MLPCell(p["depth"], p["seed"], p["sigma_w"], p["sigma_b"])
    plain = network(cell, sizes=(data.x_train.shape[1], p["width"], data.classes))
    optimizer, losses = torch.optim.SGD(plain.parameters(), p["lr"], momentum=p["momentum"]), []
    for step in range(p["steps"]):
        rows = epoch_order(p["seed"], step // 12, len(data.x_train), p["batch_size"])[step % 12]
        logits = plain(torch.from_numpy(data.x_train[rows]).double())
        loss = functional.cross_entropy(logits, torch.from_numpy(data.y_train[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return plain, losses


def test_one_stack_has_one_eps_and_dropout_in_all_or_none() -> None:
    def stacks(**changes: Any) -> list[list[Any]]:
        points = cells(normalise({**BASE, **changes}))
        found = chunks(points, inputs=64, classes=10, budget=1e12)
        return [[points[place] for place in chunk] for chunk in found]

    assert len(stacks(depth=[3, 30], sigma_w=[1.0, 2.0], sigma_b=[0.0, 0.1], lr=[0.1, 0.2], seed=[0, 1])) == 1
    assert len(stacks(eps=[0.0, 0.1])) == 1
    assert len(stacks(eps=[0.0, 0.1], norm="layer")) == 2
    assert len(stacks(keep=[0.5, 0.9, 1.0])) == 2
    (stack,) = (FAMILY.build(s, inputs=64, classes=10, dtype=torch.float32) for s in stacks(keep=[0.5, 0.9]))
    assert isinstance(stack, MLPStack)
    assert stack.dropout is not None


@pytest.mark.parametrize("more", [{}, {"norm": "layer"}, {"keep": 0.9}, {"norm": "layer", "keep": 0.5}], ids=str)
@pytest.mark.parametrize("activation", ["relu", pytest.param("tanh", marks=pytest.mark.slow)])
def test_kernels_traffic_and_memory_are_as_the_planner_has_them(more: dict[str, Any], activation: str) -> None:
    asked = {"architecture": "mlp", "activation": activation, "seed": 0, **more}
    cost = layer(one_cell(**more))

    def seen(batch: int, depth: int) -> Any:
        return run(make_step({**asked, "batch_size": batch, "depth": depth}))

    few, many = ([seen(batch, depth) for depth in (10, 20)] for batch in (1280, 2560))
    kernels = [sum(one.kernels.values()) for one in few]
    assert kernels[1] - kernels[0] == 10 * cost.kernels
    moved = [pair[1].moved - pair[0].moved for pair in (few, many)]
    assert (moved[1] - moved[0]) / (4 * 64 * 1280 * 10) == pytest.approx(cost.traffic, rel=0.02)
    step = make_step({**asked, "width": 384, "batch_size": 128, "depth": 20})
    weights = sum(p.numel() * p.element_size() for p in step.stack.parameters())
    planned = FAMILY.step_cost(
        one_cell(width=384, batch_size=128, depth=20, activation=activation, **more), inputs=64, classes=10
    ).memory
    assert planned / 2 < weights + run(step).height < planned


@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("keep", [pytest.param(1.0, marks=pytest.mark.slow), 0.9])
@pytest.mark.parametrize(
    ("activation", "sigma_w", "sigma_b"),
    [
        ("tanh", 1.0, 0.2),
        ("relu", 1.7, 0.0),
        *(
            pytest.param(*rest, marks=pytest.mark.slow)
            for rest in [("tanh", 2.0, 0.2), ("relu", 1.2, 0.3), ("gelu", 2.0, 0.1)]
        ),
    ],
)
def test_gradients_grow_as_predicted(activation: str, sigma_w: float, sigma_b: float, keep: float, norm: str) -> None:
    """ln ‖∂/∂z¹‖² − ln ‖∂/∂z^L‖² of sampled networks: within 4 standard errors and 6/N a layer, what finite width adds
    to the mean of a logarithm."""
    depth, width, seeds = 20, 300, 24
    asked = {"depth": depth, "width": width, "activation": activation, "sigma_w": sigma_w, "sigma_b": sigma_b}
    tile = normalise({**BASE, **asked, "keep": keep, "norm": norm, "seed": list(range(seeds))})
    stack = FAMILY.build(cells(tile), inputs=100, classes=50, dtype=torch.float64)
    numbers, norms = torch.Generator().manual_seed(0), []

    def watch(number: int, z: torch.Tensor) -> None:
        z.register_hook(lambda gradient: norms.append(gradient.square().sum((1, 2)).log()))

    stack.watch = watch
    logits = stack(torch.randn(seeds, 8, 100, generator=numbers, dtype=torch.float64), statistics_batch_size=1)
    (logits * torch.randn(logits.shape, generator=numbers, dtype=torch.float64)).sum().backward()
    found = (norms[-1] - norms[0]).detach().numpy()
    error = found.std(ddof=1) / math.sqrt(seeds)
    predicted = log_gradient_ratio(cells(tile)[0])
    assert abs(found.mean() - predicted) < 4 * error + 6 * depth / width
    assert error < 0.5


@pytest.mark.parametrize("depth", [1, 2, 7, 60])
@pytest.mark.parametrize("keep", [1.0, 0.8])
@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "silu"])
def test_the_rate_is_the_theorys(activation: str, norm: str, keep: float, depth: int) -> None:
    network = one_cell(activation=activation, norm=norm, keep=keep, depth=depth, sigma_w=1.3)
    numbers = {name: network[name] for name in ("sigma_w", "sigma_b", "keep", "norm", "eps")}
    expected = transient(activation, depth, **numbers).log_gradient[1]
    assert log_gradient_ratio(network) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "dtype"),
    [
        ({"depth": 300, "sigma_w": 1.3}, "float32"),  # nearly critical
        ({"depth": 300, "sigma_w": 2.5}, "float64"),  # chaotic
        ({"depth": 30, "sigma_w": 2.5}, "float32"),
        ({"depth": [2, 300], "sigma_w": [0.5, 2.5]}, "float64"),
        ({"depth": 300, "sigma_w": 0.5}, "float32"),  # ordered: nothing arrives, in no dtype
        ({"depth": 300, "sigma_w": 0.5, "optimizer": "rmsprop"}, "float64"),  # which divides by it
        ({"depth": 300, "activation": "relu", "sigma_w": 1.7}, "float64"),  # q diverges, and so do gradients
        ({"depth": 20_000, "activation": "relu", "sigma_w": math.sqrt(2), "sigma_b": 0.0}, "float32"),
        ({"depth": 20_000, "activation": "tanh", "sigma_w": 1.0, "sigma_b": 0.0}, "float32"),
        ({"depth": 300, "sigma_w": 1.5}, "float32"),
        ({"depth": 300, "sigma_w": 1.5, "keep": 0.5}, "float64"),  # dropout makes gradients larger
        ({"depth": 300, "sigma_w": 2.5, "norm": "layer"}, "float32"),
        ({"depth": 700, "sigma_w": 2.5, "norm": "layer"}, "float64"),
        ({"depth": 200, "activation": "relu", "sigma_w": 1.7, "norm": "layer"}, "float32"),
        ({"depth": 50, "activation": "alpha-relu", "alpha": 3.0, "sigma_w": 2.0}, "float64"),  # beyond float64 too
        ({"depth": 50, "sigma_w": 0.0, "sigma_b": 0.0, "norm": "layer", "eps": 0.0}, "float32"),
    ],
)
def test_float64_is_for_gradients_that_grow_beyond_float32(changes: dict[str, Any], dtype: str) -> None:
    assert resolve_dtype(normalise({**BASE, **changes})) == dtype


def test_a_vanished_gradient_trains_nothing_in_either_dtype() -> None:
    """300 ordered layers: e^−178 is nothing to a weight, and the same networks come out."""
    asked = {"depth": 300, "sigma_w": 0.8}
    assert log_gradient_ratio(one_cell(**asked)) < -FLOAT32_SPAN
    single, double = (content(**asked, dtype=dtype)["cells"][0] for dtype in ("float32", "float64"))
    assert [cell["exceeds_float32"] for cell in (single, double)] == [False, False]
    assert single["test_accuracy"] == double["test_accuracy"]
    assert single["history"]["loss"] == pytest.approx(double["history"]["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keep": 0.0}, "keep: 0.0: expected at least 0.001"),
        ({"keep": 1.5}, "keep: 1.5: expected at most 1"),
        ({"keep": [0.5, -1]}, "keep: -1.0: expected at least 0.001"),
        ({"norm": "batch"}, "norm: 'batch': expected one of none, layer"),
        ({"init": "xavier"}, "init: 'xavier': expected one of gaussian, orthogonal"),
        ({"dropout": 0.1}, "did you mean keep?"),
        ({"sigma_v": 2.0}, "sigma_v: architecture mlp has no such parameter"),
        ({"architecture": "bn-mlp", "keep": 0.5}, "keep: architecture bn-mlp has no such parameter (only mlp has)"),
    ],
)
def test_bad_parameters_are_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        normalise({**BASE, **changes})
    assert words in " ".join(caught.value.messages)


EDGES: dict[str, Any] = {
    "activation": BUILT_IN,
    "slope": (0.01, -1.0, 1e6, 0.0),
    "alpha": (1e-3, 0.3, 0.5, 1.0, 2.0, 100.0),
    "sigma_w": (0.0, 1e-6, 0.3, 1.0, 2**0.5, 2.0, 30.0, 1e6),
    "sigma_b": (0.0, 1e-6, 0.2, 1.0, 1e6),
    "keep": (1e-3, 0.1, 0.5, 1 - 1e-6, 1.0),
    "norm": ("none", "layer"),
    "eps": (0.0, 1e-30, 1e-3, 1e6),
    "init": ("gaussian", "orthogonal"),
    "train_bias": (True, False),
    "optimizer": ("sgd", "rmsprop"),
    "seed": (0, 2**63 - 1),
    "monitor": (None, "step"),
}


@pytest.mark.parametrize("count", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_every_setting_within_the_ranges_has_a_dtype_and_a_result(count: int) -> None:
    draw = random.Random(count)
    for _ in range(count):
        asked = {name: draw.choice(values) for name, values in EDGES.items()}
        deep = one_cell(**asked, depth=draw.choice([1, 2, 30, 300, 20_000]))
        assert not math.isnan(log_gradient_ratio(deep)), dict(deep)
        small = {"depth": [draw.choice([1, 2, 5])], "width": draw.choice([1, 2, 7]), "train_size": 40, "steps": 3}
        (cell,) = content(**asked, **small)["cells"]
        json.dumps(cell, allow_nan=False)


def test_it_learns_near_criticality_and_not_far_from_it() -> None:
    """Depth 40, width 64, 300 steps on digits: 1.33 is critical at σ_b² = 0.05."""
    asked = {"width": 64, "batch_size": 64, "train_size": None, "test_size": None, "depth": 30, "steps": 300}
    found = content(**asked, sigma_w=[0.8, 1.33, 2.5], sigma_b=math.sqrt(0.05))["cells"]
    ordered, critical, chaotic = (cell["test_accuracy"] for cell in found)
    assert critical > 0.9
    assert max(ordered, chaotic) < 0.5
