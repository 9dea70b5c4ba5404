"""Trains one tile: parameters in, result out (schema in docs/architecture.md)."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from phasemap.models.stack import Stack
from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.cells import Cell, cells, identity
from phasemap.train.compat.lightning import fit, pl
from phasemap.train.data.load import load
from phasemap.train.data.samples import Data
from phasemap.train.engine.cell_result import cell_result
from phasemap.train.engine.checkpoint import Checkpoint, PlainFile, Stopped, callback_state
from phasemap.train.engine.data_order import LONGEST_BLOCK, BlocksDataModule
from phasemap.train.engine.epoch_scores import EpochScores
from phasemap.train.engine.evaluation import Evaluation, evaluate
from phasemap.train.engine.stack_module import StackModule
from phasemap.train.families.catalogue import family_of
from phasemap.train.machine.memory import budget, is_out_of_memory, release
from phasemap.train.monitors.layer_monitor import LayerMonitor
from phasemap.train.parameters import SEMANTICS, normalise
from phasemap.train.planning.chunks import chunks, halves
from phasemap.train.planning.dtype import exceeds_float32, float32_products, resolve_dtype
from phasemap.train.provenance import provenance
from phasemap.train.result_types import CellResult, Content, Epochs, Monitored, Provenance, Result

HISTORY_POINTS = 20
CHECKPOINT_EVERY = 120.0
"""Seconds between two checkpoints of a tile."""

Progress = Callable[[dict[str, Any]], None]
Outcome = TypeVar("Outcome")


def train_tile(
    parameters: dict[str, Any],
    *,
    data_dir: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Result:
    """Trains all cells of a tile and evaluates them.

    The same parameters give bitwise the same content on one kind of processor, however the cells are divided into
    chunks, provided that torch runs with one thread.

    Args:
        parameters: as ``phasemap.train.parameters.normalise`` takes them.
        data_dir: overrides the environment's PHASEMAP_DATA_DIR.
        progress: called now and then with ``{"cells", "steps", "steps_done"}``, in cell·steps of the whole tile.
        checkpoint: file that a long training writes every few minutes, and goes on from if it is there. Whoever keeps
            the result removes it.
        stopping: asked after every block; where it says so, training ends with the checkpoint written.

    Raises:
        InputError: parameters that do not fit, or data that cannot be had.
        Stopped: ``stopping`` said so, and there is a ``checkpoint`` to go on from.
    """
    started = time.monotonic()
    parameters = normalise(parameters)
    data = load(parameters, data_dir)
    dtype = resolve_dtype(parameters, device)
    steps = _steps(parameters, data)
    points = cells(parameters)
    saved = (
        Checkpoint(checkpoint, _signature(parameters, dtype, data), stopping=stopping, every=CHECKPOINT_EVERY)
        if checkpoint
        else None
    )
    results: dict[int, CellResult] = saved.finished if saved else {}
    say = _Notes()

    def on_block(steps_done: int, members: int) -> None:
        if progress:
            done = steps * len(results) + steps_done * members
            progress({"cells": len(points), "steps": steps * len(points), "steps_done": done})

    with _denormals_flushed(), float32_products(parameters["tf32"]):
        on_device = _Samples.put(data, parameters, device, getattr(torch, dtype))
        waiting = deque(_planned(points, data, on_device, saved.in_flight if saved else []))
        while waiting:
            chunk = [place for place in waiting.popleft() if place not in results]
            if not chunk:
                continue
            members = [points[place] for place in chunk]
            train = partial(
                _train_chunk, members, on_device, steps, partial(on_block, members=len(chunk)), say, saved, chunk
            )
            trained = _unless_out_of_memory(partial(_going_on, train, saved, say))
            if trained is not None:
                results.update(zip(chunk, trained, strict=True))
                if waiting:
                    release(device)
                continue
            release(device)
            if len(chunk) == 1:
                raise InputError(_too_large(members[0], device))
            networks = counted(len(chunk), "network")
            say(f"{networks} do not fit into the memory of {device}: two halves are trained in turn")
            waiting.extendleft(reversed(halves(chunk)))
    content: Content = {
        "semantics": SEMANTICS,
        "parameters": parameters,
        "dtype": dtype,
        "data": data.description(),
        "cells": [results[place] for place in range(len(points))],
    }
    wall_time = time.monotonic() - started + (saved.seconds_before if saved else 0.0)
    return {"content": content, "provenance": cast(Provenance, provenance(_device_name(device), wall_time))}


class _Notes:
    """Says each thing once a tile, on standard error."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            print(f"phasemap: note: {text}", file=sys.stderr)


@dataclass(frozen=True)
class _Samples:
    """The data where they are trained on, as the architecture takes them."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: int
    inputs: int

    @classmethod
    def put(cls, data: Data, settings: Mapping[str, Any], device: str, dtype: torch.dtype) -> _Samples:
        """Puts the data on the device, once for the whole tile."""

        def rows(x: NDArray[np.float32]) -> Tensor:
            samples = torch.from_numpy(x)
            samples = family_of(settings).prepare(samples, data.shape)
            return samples.to(device=device, dtype=dtype)

        def put() -> _Samples:
            x_train, x_test = rows(data.x_train), rows(data.x_test)
            y_train, y_test = (torch.from_numpy(y).to(device) for y in (data.y_train, data.y_test))
            return cls(x_train, y_train, x_test, y_test, data.classes, data.x_train.shape[1])

        found = _unless_out_of_memory(put)
        if found is None:
            raise InputError(f"dataset {settings['dataset']}: its {len(data.x_train)} samples do not fit into {device}")
        return found

    @property
    def device(self) -> str:
        """Where they are."""
        return str(self.x_train.device)


def _unless_out_of_memory(what: Callable[[], Outcome]) -> Outcome | None:
    """None if memory ran out. Nothing of the failure outlives this function, as its traceback holds every tensor."""
    try:
        return what()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None


def _going_on(train: Callable[[], Outcome], saved: Checkpoint | None, say: Callable[[str], None]) -> Outcome:
    """Trains a chunk from where it was ``saved``; from its start where the checkpoint is none of this program's."""
    if not (saved and saved.in_flight):
        return train()
    try:
        return train()
    except (Stopped, InputError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = f"the checkpoint cannot be taken up ({type(error).__name__})"
    say(f"{reason}; the cells that were in flight are trained from their start")
    return train()


def _too_large(cell: Cell, device: str) -> str:
    what = ", ".join(f"{name} {cell[name]}" for name in ("depth", "width", "widths", "batch_size") if name in cell)
    return (
        f"one network ({what}) does not fit into the memory that is free on {device}, {budget(device) / 2**30:.1f} GiB"
    )


def _planned(points: Sequence[Cell], data: Data, on_device: _Samples, in_flight: Sequence[int]) -> list[list[int]]:
    """The chunks; first the one that was interrupted, which may be a half of one that was planned."""
    planned = chunks(
        points,
        inputs=on_device.inputs,
        classes=data.classes,
        budget=budget(on_device.device),
        device=on_device.device,
        item=on_device.x_train.element_size(),
    )
    first = [place for place in in_flight if 0 <= place < len(points)]
    rest = ([place for place in chunk if place not in first] for chunk in planned)
    return [first, *(chunk for chunk in rest if chunk)]


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Vanishing gradients are full of denormals, which cost a hundred times more. The setting is the whole thread's, so
    that it is taken back: other code may count on them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _signature(parameters: dict[str, Any], dtype: str, data: Data) -> str:
    """What decides the tile's content."""
    return json.dumps([identity(parameters), dtype, data.digest, SEMANTICS], sort_keys=True)


def _steps(parameters: dict[str, Any], data: Data) -> int:
    if parameters["steps"] is not None:
        return int(parameters["steps"])
    return int(parameters["epochs"] * (len(data.x_train) // parameters["batch_size"]))


def _train_chunk(
    points: Sequence[Cell],
    data: _Samples,
    steps: int,
    on_block: Callable[[int], None],
    say: Callable[[str], None],
    saved: Checkpoint | None,
    places: Sequence[int],
) -> list[CellResult]:
    """Trains one stack, from where it was ``saved``; the results stand in the order of ``points``."""
    settings, device, dtype = points[0], data.device, data.x_train.dtype
    x_train, y_train, x_test, y_test = data.x_train, data.y_train, data.x_test, data.y_test
    family = family_of(settings)
    stack = family.build(points, inputs=data.inputs, classes=data.classes, dtype=dtype, device=device)
    order = stack.order.tolist()
    seeds = sorted({p["seed"] for p in points})
    scores = None
    if family.scored_by_epoch:
        scores = EpochScores(len(x_train) // settings["batch_size"], steps, lambda: _running(stack, x_test, y_test))
    module = StackModule(
        stack,
        samples=x_train,
        labels=y_train,
        seed_of_member=torch.tensor([seeds.index(points[i]["seed"]) for i in order], device=device),
        lr=torch.tensor([points[i]["lr"] for i in order], device=device, dtype=dtype),
        make_optimizer=lambda weights, lr: family.optimizer(weights, lr, settings, steps),
        statistics_batch_size=settings["statistics_batch_size"],
        monitored=settings["monitor"] is not None,
        on_block=on_block,
        augment=family.augmentation(settings),
        scores=scores,
        say=lambda reason: say(f"no CUDA graph, steps are launched one by one: {reason}"),
    )
    monitor = _monitor(settings, len(x_train))
    callbacks: list[pl.Callback] = [monitor] if monitor else []
    if saved:
        if before := saved.take(places):
            module.go_on(before)
            if monitor:
                monitor.go_on(callback_state(before, monitor), module.steps_done)
        callbacks.append(saved.saver(places))
    blocks = BlocksDataModule(
        seeds,
        samples=len(x_train),
        batch_size=settings["batch_size"],
        steps=steps,
        first=module.steps_done,
        longest=LONGEST_BLOCK,
    )
    if module.steps_done < steps:
        try:
            fit(module, blocks, device=device, callbacks=callbacks, plugins=[PlainFile()])
        finally:
            module.release()
    size = settings["statistics_batch_size"] if family.uses_batch_statistics else None

    def by_batch(x: Tensor, y: Tensor) -> Evaluation | None:
        return evaluate(stack, x, y, statistics_batch_size=size) if size else None

    few = min(len(x_train), len(x_test))  # of the training set as many samples as there are test samples
    evaluations = {
        "test_running": _running(stack, x_test, y_test),
        "test_batch": by_batch(x_test, y_test),
        "train_running": evaluate(stack, x_train[:few], y_train[:few]),
        "train_batch": by_batch(x_train[:few], y_train[:few]),
    }
    losses = torch.cat(module.losses).double().split(max(1, math.ceil(steps / HISTORY_POINTS)))
    results: dict[int, CellResult] = {}
    for member, place in enumerate(order):
        results[place] = cell_result(
            points[place],
            [part[:, member] for part in losses],
            evaluations,
            member,
            exceeds_float32=exceeds_float32(points[place]),
        )
        if monitor:
            results[place]["monitor"] = cast(Monitored, monitor.series(member, prefix="stack."))
        if scores:
            results[place]["epochs"] = cast(Epochs, scores.series())
    return [results[place] for place in range(len(points))]


def _running(stack: Stack, x: Tensor, y: Tensor) -> Evaluation:
    found = evaluate(stack, x, y)
    assert found is not None
    return found


def _monitor(settings: Mapping[str, Any], samples: int) -> LayerMonitor | None:
    """The monitor that the parameters ask for."""
    if settings["monitor"] is None:
        return None
    every = 1 if settings["monitor"] == "step" else samples // settings["batch_size"]
    return LayerMonitor(lambda step: step % every == 0)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return device
