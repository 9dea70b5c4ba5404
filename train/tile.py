"""Trains one tile: parameters in, result out (schema in docs/architecture.md)."""

from __future__ import annotations

import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.stack import Stack
from train.batches import LONGEST_BLOCK, BlocksDataModule
from train.checkpoint import Checkpoint, callback_state
from train.data import Data, load
from train.epochs import EpochScores
from train.evaluation import Evaluation, evaluate
from train.families import build_stack
from train.lightning import LightningEnvironment, pl
from train.module import StackModule
from train.monitor import LayerMonitor
from train.optimizers import schedule_factor
from train.parameters import SEMANTICS, VGG, cells, identity, normalise
from train.pictures import as_pictures, augment
from train.planner import chunks
from train.precision import exceeds_float32, resolve_dtype
from train.provenance import provenance

HISTORY_POINTS = 20
CHECKPOINT_EVERY = 120.0
"""Seconds between two checkpoints of a tile."""

Progress = Callable[[dict[str, Any]], None]


def train_tile(
    parameters: dict[str, Any],
    *,
    data_dir: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Trains all cells of a tile and evaluates them.

    The same parameters give bitwise the same content on one kind of processor, however the cells are divided into
    chunks, provided that torch runs with one thread.

    Args:
        parameters: as ``train.parameters.normalise`` takes them.
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
    total, done = steps * len(points), 0
    results: list[dict[str, Any] | None] = [None] * len(points)
    saved = (
        Checkpoint(checkpoint, _signature(parameters, dtype, data), stopping=stopping, every=CHECKPOINT_EVERY)
        if checkpoint
        else None
    )
    for chunk in chunks(points, inputs=data.x_train.shape[1]):
        if saved and saved.finished.keys() >= set(chunk):
            done += steps * len(chunk)
            continue

        def on_block(steps_done: int, before: int = done, members: int = len(chunk)) -> None:
            if progress:
                progress({"cells": len(points), "steps": total, "steps_done": before + steps_done * members})

        with _denormals_flushed():
            trained = _train_chunk([points[i] for i in chunk], data, steps, dtype, device, on_block, saved, chunk)
        done += steps * len(chunk)
        for place, result in zip(chunk, trained, strict=True):
            results[place] = result
            if saved:
                saved.finished[place] = result
    for place, result in saved.finished.items() if saved else ():
        results[place] = result
    wall_time = time.monotonic() - started + (saved.seconds_before if saved else 0.0)
    content = {
        "semantics": SEMANTICS,
        "parameters": parameters,
        "dtype": dtype,
        "data": data.description(),
        "cells": results,
    }
    return {"content": content, "provenance": provenance(_device_name(device), wall_time)}


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
    points: Sequence[dict[str, Any]],
    data: Data,
    steps: int,
    dtype_name: str,
    device: str,
    on_block: Callable[[int], None],
    saved: Checkpoint | None,
    places: Sequence[int],
) -> list[dict[str, Any]]:
    """Trains one stack, from where it was ``saved``; the results stand in the order of ``points``."""
    settings, dtype = points[0], getattr(torch, dtype_name)
    stack = build_stack(points, inputs=data.x_train.shape[1], classes=data.classes, dtype=dtype).to(device)
    order = stack.order.tolist()
    seeds = sorted({p["seed"] for p in points})
    on_device = {"device": device, "dtype": dtype}
    x_train, y_train = _on_device(data.x_train, data.y_train, data.shape, settings, on_device)
    x_test, y_test = _on_device(data.x_test, data.y_test, data.shape, settings, on_device)
    scores, augmented = None, None
    if settings["architecture"] == VGG:
        scores = EpochScores(len(x_train) // settings["batch_size"], steps, lambda: _running(stack, x_test, y_test))
        if settings["augment"]:
            augmented = partial(_augmented, seed=settings["seed"])
    module = StackModule(
        stack,
        samples=x_train,
        labels=y_train,
        seed_of_member=torch.tensor([seeds.index(points[i]["seed"]) for i in order], device=device),
        lr=torch.tensor([points[i]["lr"] for i in order], **on_device),
        settings=settings,
        steps=steps,
        on_block=on_block,
        augment=augmented,
        scores=scores,
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
        _fit(module, blocks, device, callbacks)
    size = settings["statistics_batch_size"] if stack.uses_statistics else None

    def by_batch(x: Tensor, y: Tensor) -> Evaluation | None:
        return evaluate(stack, x, y, statistics_batch_size=size) if size else None

    few = min(len(x_train), len(x_test))  # of the training set as many samples as there are test samples
    evaluations = {
        "test_running": _running(stack, x_test, y_test),
        "test_batch": by_batch(x_test, y_test),
        "train_running": evaluate(stack, x_train[:few], y_train[:few]),
        "train_batch": by_batch(x_train[:few], y_train[:few]),
    }
    losses = torch.cat(module.losses).double().cpu().split(max(1, math.ceil(steps / HISTORY_POINTS)))
    results: list[dict[str, Any]] = [{} for _ in points]
    for member, place in enumerate(order):
        results[place] = _cell_result(points[place], [part[:, member] for part in losses], evaluations, member)
        if monitor:
            results[place]["monitor"] = monitor.series(member, prefix="stack.")
        if scores:
            results[place]["epochs"] = scores.series()
    return results


def _on_device(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    shape: tuple[int, ...],
    settings: dict[str, Any],
    on_device: dict[str, Any],
) -> tuple[Tensor, Tensor]:
    """Samples and labels as the architecture takes them."""
    rows = torch.from_numpy(x)
    rows = as_pictures(rows, shape) if settings["architecture"] == VGG else rows
    return rows.to(**on_device), torch.from_numpy(y).to(on_device["device"])


def _augmented(x: Tensor, step: int, seed: int) -> Tensor:
    return augment(x, seed, step)


def _running(stack: Stack, x: Tensor, y: Tensor) -> Evaluation:
    found = evaluate(stack, x, y)
    assert found is not None
    return found


def _monitor(settings: dict[str, Any], samples: int) -> LayerMonitor | None:
    """The monitor that the parameters ask for."""
    if settings["monitor"] is None:
        return None
    every = 1 if settings["monitor"] == "step" else samples // settings["batch_size"]
    return LayerMonitor(lambda step: step % every == 0)


def _fit(module: StackModule, blocks: BlocksDataModule, device: str, callbacks: list[pl.Callback]) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    kind, _, index = device.partition(":")
    trainer = pl.Trainer(
        accelerator="gpu" if kind == "cuda" else kind,
        devices=[int(index or 0)] if kind == "cuda" else 1,
        max_epochs=1,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[LightningEnvironment()],  # one process, also in a Slurm job: its signals are the runner's business
    )
    with warnings.catch_warnings():
        # the index tables are made faster than a worker process could hand them over
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # Lightning's own use of torch
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
        trainer.fit(module, datamodule=blocks)


def _cell_result(
    point: dict[str, Any], losses: list[Tensor], evaluations: dict[str, Evaluation | None], member: int
) -> dict[str, Any]:
    """One entry of ``content.cells``."""
    loss = torch.cat(losses)
    steps = len(loss)
    bad = (~loss.isfinite()).nonzero()
    running = evaluations["test_running"]
    assert running is not None
    if len(bad):
        diverged_at: int | None = int(bad[0])
    else:  # the last update, or statistics gathered on the way, may be what is not finite
        diverged_at = None if bool(running.finite[member]) else steps
    available = [e for e in (running, evaluations["test_batch"]) if e is not None]
    dead = all(bool(e.constant[member]) for e in available)
    outcome = "diverged" if diverged_at is not None else "dead" if dead else "finished"

    def number(key: str, what: str) -> float | None:
        evaluation = evaluations[key]
        if evaluation is None or outcome == "diverged":
            return None
        value = float(getattr(evaluation, what)[member])
        return value if math.isfinite(value) else None

    ends = torch.tensor([len(part) for part in losses]).cumsum(0).tolist()
    means = [float(part.mean()) for part in losses]
    return {
        "parameters": point,
        "seed": point["seed"],
        "outcome": outcome,
        "diverged_at": diverged_at,
        "test_accuracy": number("test_running", "accuracy"),
        "test_accuracy_batch": number("test_batch", "accuracy"),
        "train_accuracy": number("train_running", "accuracy"),
        "train_accuracy_batch": number("train_batch", "accuracy"),
        "test_loss": number("test_running", "loss"),
        "train_loss": means[-1] if outcome != "diverged" else None,
        "sum_lr": point["lr"] * _sum_of_factors(point, steps),
        "steps": steps,
        "exceeds_float32": exceeds_float32(point),
        "history": {"step": ends, "loss": [mean if math.isfinite(mean) else None for mean in means]},
    }


def _sum_of_factors(point: dict[str, Any], steps: int) -> float:
    schedule = point.get("schedule", "constant")
    return (
        float(steps) if schedule == "constant" else sum(schedule_factor(schedule, step, steps) for step in range(steps))
    )


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return device
