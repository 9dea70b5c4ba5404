"""Chunks: every cell once, within the memory, as many members as pay, and only cells that fit in one stack together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phasemap.train.cells import cells
from phasemap.train.families.catalogue import family_of
from phasemap.train.families.step_cost import StepCost
from phasemap.train.parameters import normalise
from phasemap.train.planning.chunks import chunks, halves, members_that_pay

PLENTY = 1e12


def step_cost(cell: dict[str, Any], **sizes: int) -> StepCost:
    return family_of(cell).step_cost(cell, **sizes)


def points(**parameters: Any) -> list[dict[str, Any]]:
    return cells(normalise({"lr": 0.1, "steps": 1, **parameters}))


def plan(network: list[dict[str, Any]], budget: float = PLENTY, device: str = "cpu") -> list[list[int]]:
    return chunks(network, inputs=64, classes=10, budget=budget, device=device)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12, unique=True), st.floats(1e6, 1e9))
def test_every_cell_once_within_the_budget(depths: list[int], budget: float) -> None:
    network = points(depth=depths, seed=[0, 1])
    planned = plan(network, budget)
    assert sorted(place for chunk in planned for place in chunk) == list(range(len(network)))
    for chunk in planned:
        memory = sum(step_cost(network[i], inputs=64, classes=10).memory for i in chunk)
        assert len(chunk) == 1 or memory <= budget
        chunk_depths = [network[i]["depth"] for i in chunk]
        assert chunk_depths == sorted(chunk_depths, reverse=True)


def test_narrow_networks_stack_on_a_cpu_and_wide_ones_hardly() -> None:
    axes = {"depth": list(range(10, 101, 10)), "seed": list(range(8))}
    narrow = plan(points(width=64, batch_size=32, **axes))
    wide = plan(points(width=384, batch_size=128, **axes))
    assert len(narrow) == 1
    assert max(len(chunk) for chunk in wide) <= 4


@pytest.mark.parametrize(("width", "batch_size"), [(64, 32), (384, 8), (384, 128), (384, 1000)])
def test_a_gpu_gets_at_least_32_members(width: int, batch_size: int) -> None:
    network = points(width=width, batch_size=batch_size, depth=list(range(5, 101, 5)), seed=list(range(8)))
    assert min(len(chunk) for chunk in plan(network, device="cuda:0")) >= 32
    assert members_that_pay([step_cost(network[0], inputs=784, classes=10)], "cuda") >= 32


def test_chunks_are_of_about_one_size() -> None:
    network = points(width=256, batch_size=64, depth=20, seed=list(range(31)))
    sizes = [len(chunk) for chunk in plan(network)]
    assert len(sizes) > 1
    assert max(sizes) - min(sizes) < len(sizes)


def test_residual_networks_of_other_widths_stand_apart() -> None:
    network = points(architecture="resnet", depth=[3, 20], widths=["64", "64/2@2,9"])
    assert sorted(sorted(chunk) for chunk in plan(network)) == [[0, 2], [1], [3]]


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 48},
        {"width": 20, "optimizer": "rmsprop"},
        {"architecture": "resnet", "widths": "48/2@2", "momentum": 0.5},
    ],
    ids=["bn-mlp", "rmsprop", "resnet with a projection"],
)
def test_weights_and_optimizer_state_are_counted_as_they_are(settings: dict[str, Any]) -> None:
    """The memory that does not grow with the batch, against the modules themselves; vectors are left out."""
    (cell,) = points(depth=4, **settings)
    stack = family_of(cell).build([cell], inputs=30, classes=7, dtype=torch.float32)
    optimizer = family_of(cell).optimizer(stack.parameters(), torch.tensor([0.1]), cell, 1)
    matrices = sum(p.numel() for p in stack.parameters() if p.dim() == 3 and p.shape[1] > 1)
    state = sum(
        t.numel() for values in optimizer.state.values() for t in values.values() if t.dim() == 3 and t.shape[1] > 1
    )
    by_batch = [step_cost({**cell, "batch_size": size}, inputs=30, classes=7) for size in (10, 20)]
    without_batch = 2 * by_batch[0].memory - by_batch[1].memory
    assert without_batch == 4 * (2 * matrices + state)  # weights, gradients, state
    assert by_batch[0].flops == 6 * 10 * matrices
    double = step_cost({**cell, "batch_size": 10}, inputs=30, classes=7, item=8)
    assert double.memory == 2 * by_batch[0].memory


def test_halves_keep_the_order() -> None:
    assert halves([5, 3, 8, 0, 1]) == ([5, 3, 8], [0, 1])
    assert halves([4, 2]) == ([4], [2])
