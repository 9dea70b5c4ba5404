"""Measures how fast a device is, by training steps of three small stacks: about a second, once on a machine.

Each stack lays its weight on another part of the cost (arithmetic, memory traffic, launches); the rates are those under
which ``Family.step_cost`` gives the measured times.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from phasemap.train.cells import Cell, cells
from phasemap.train.engine.step import Step
from phasemap.train.families.catalogue import family_of
from phasemap.train.machine.speed import GUESSES, Rates, keep
from phasemap.train.parameters import normalise

INPUTS, CLASSES = 64, 10
SECONDS = 0.3
"""Of steps that each stack is timed for."""
BLOCK = 4
SLOWER = 20.0
"""A rate that the times do not resolve is at most so many times the guess's."""
STACKS: tuple[Mapping[str, Any], ...] = (
    {"width": 384, "batch_size": 128, "depth": 6},
    {"width": 96, "batch_size": 32, "depth": [10, 20, 30, 40, 50, 60], "seed": [0, 1, 2, 3]},
    {"width": 8, "batch_size": 8, "depth": 40},
)
"""Arithmetic; traffic, of more weights than a core's caches hold; launches."""


def calibrate(device: str = "cpu") -> Rates:
    """Measures the device, keeps what was found for later runs, and returns it."""
    parts, times = [], []
    for stack in STACKS:
        tile = normalise({"lr": 1e-3, "steps": 1, **stack})
        points = cells(tile)
        priced = [family_of(tile).step_cost(cell, inputs=INPUTS, classes=CLASSES) for cell in points]
        parts.append(
            [sum(one.flops for one in priced), sum(one.traffic for one in priced), max(one.launches for one in priced)]
        )
        times.append(_seconds_of_a_step(points, device))
    found = _solve(np.array(parts), np.array(times), GUESSES[device.partition(":")[0]])
    keep(device, found)
    return found


def _solve(parts: np.ndarray, times: np.ndarray, guess: Rates) -> Rates:
    """The rates, none negative, that give the times with the least relative error."""
    per_unit, _ = nnls(parts / times[:, None], np.ones(len(times)))
    usual = np.array([1 / guess.flops, 1 / guess.bandwidth, guess.launch])
    flops, traffic, launch = np.maximum(per_unit, usual / SLOWER)
    return Rates(1 / float(flops), 1 / float(traffic), float(launch))


def _seconds_of_a_step(points: list[Cell], device: str) -> float:
    """The time of a step of one stack: the lower quartile over blocks of steps, as others may be at work here."""
    family, batch = family_of(points[0]), points[0]["batch_size"]
    stack = family.build(points, inputs=INPUTS, classes=CLASSES, dtype=torch.float32, device=device)
    lr = torch.full((len(points),), 1e-3, device=device)
    generator = torch.Generator().manual_seed(0)
    step = Step(
        stack,
        samples=torch.randn(batch, INPUTS, generator=generator).to(device),
        labels=torch.randint(0, CLASSES, (batch,), generator=generator).to(device),
        seed_of_member=torch.zeros(len(points), dtype=torch.int64, device=device),
        statistics_batch_size=batch,
        optimizer=family.optimizer(stack.parameters(), lr, points[0], 1),
        longest=BLOCK,
    )
    order = torch.arange(batch).expand(BLOCK, 1, batch)
    blocks: list[float] = []
    started = time.perf_counter()
    while len(blocks) < 3 or time.perf_counter() - started < SECONDS:
        before = time.perf_counter()
        step.load(order)
        for _ in range(BLOCK):
            step()
        step.done(BLOCK)
        blocks.append((time.perf_counter() - before) / BLOCK)
    return float(np.quantile(blocks[1:], 0.25))
