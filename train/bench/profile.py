"""Where the time of the engine's steps goes: matrix products, BN and activation, update, and the rest.

Steps are launched one by one under torch's profiler. On a GPU the time of the kernels counts, which is what a replayed
graph takes, too; on a CPU that of the operations, each a little longer for being watched.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from phasemap.train.cells import cells
from phasemap.train.engine.step import Step
from phasemap.train.families.catalogue import family_of
from phasemap.train.machine.memory import budget
from phasemap.train.parameters import normalise
from phasemap.train.planning.chunks import chunks

PRODUCTS, LAYER, UPDATE, REST = "products", "batch norm and activation", "update", "rest"
KINDS = (PRODUCTS, LAYER, UPDATE, REST)
_PRODUCTS = {"aten::addmm", "aten::baddbmm", "aten::bmm", "aten::mm"}
WARM_UP, STEPS = 3, 5


def shares(tile: Mapping[str, Any], device: str, *, inputs: int, classes: int) -> dict[str, Any]:
    """Of the steps of a tile's first chunk, the share of each of ``KINDS``, the seconds of a step, and its networks.

    Args:
        tile: parameters; float32.
        inputs, classes: of the data, which are random ones.

    Raises:
        RuntimeError: the profiler is not let near the device, as in some containers.
    """
    step = _step(tile, device, inputs, classes)
    for _ in range(WARM_UP):
        step()
    on_gpu = device.startswith("cuda")
    spent = by_kind(events(step, STEPS, on_gpu=on_gpu), on_gpu=on_gpu)
    total = sum(spent.values())
    if not total:
        raise RuntimeError(f"torch's profiler saw no time spent on {device}")
    return {
        "members": len(step.stack),
        "seconds_per_step": total / STEPS / 1e6,
        "shares": {kind: part / total for kind, part in spent.items()},
    }


def by_kind(operations: Iterable[FunctionEvent], *, on_gpu: bool) -> dict[str, float]:
    """Microseconds of each kind. On a GPU an operation has the time of the kernels that it launched; the profiler lists
    these once more, as events of the GPU, which belong to no operation and are left out."""
    spent = dict.fromkeys(KINDS, 0.0)
    for event in operations:
        if event.device_type == DeviceType.CPU:
            spent[kind_of(event)] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    return spent


def events(step: Step, steps: int, *, on_gpu: bool) -> list[FunctionEvent]:
    """Every operation of so many steps."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Profiler clears events at the end of each cycle")  # there is one
        with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as watched:
            for _ in range(steps):
                step()
            step.done(steps)
    return list(watched.events() or ())


def kind_of(event: FunctionEvent) -> str:
    """Which of ``KINDS`` an operation belongs to: its own name, or what it is part of, tells."""
    if event.name in _PRODUCTS:
        return PRODUCTS
    part: FunctionEvent | None = event
    while part is not None:
        if "BatchNormActivation" in part.name:
            return LAYER
        if part.name.startswith("Optimizer.step"):
            return UPDATE
        part = part.cpu_parent
    return REST


def _step(tile: Mapping[str, Any], device: str, inputs: int, classes: int) -> Step:
    """A step of the stack that the engine makes of the tile's first chunk."""
    parameters = normalise({**tile, "steps": WARM_UP + STEPS})
    every = cells(parameters)
    planned = chunks(every, inputs=inputs, classes=classes, budget=budget(device), device=device)
    points = [every[place] for place in planned[0]]
    family = family_of(parameters)
    stack = family.build(points, inputs=inputs, classes=classes, dtype=torch.float32, device=device)
    batch, samples = points[0]["batch_size"], 16 * points[0]["batch_size"]
    rates = torch.tensor([points[place]["lr"] for place in stack.order.tolist()], device=device)
    step = Step(
        stack,
        samples=torch.randn(samples, inputs, device=device),
        labels=torch.randint(0, classes, (samples,), device=device),
        seed_of_member=torch.zeros(len(points), dtype=torch.int64, device=device),
        statistics_batch_size=points[0]["statistics_batch_size"],
        optimizer=family.optimizer(stack.parameters(), rates, parameters, parameters["steps"]),
        longest=WARM_UP + STEPS,
    )
    step.load(torch.randint(0, samples, (WARM_UP + STEPS, 1, batch)))
    return step
