"""``torch.func``: the cells of one depth as a stack, by ``stack_module_state``, ``vmap`` and ``functional_call``.

vmap needs networks of equal shapes, so that depths are trained one after another. Gradients by ``loss.backward()``
through vmap, which is faster here than ``vmap(grad(…))`` is.
"""

from __future__ import annotations

import copy
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from phasemap.train.bench.methods.networks import Cell, batches, network, optimizer, samples
from phasemap.train.cells import cells
from phasemap.train.data.load import load
from phasemap.train.data.samples import Data


def train(parameters: dict[str, Any], device: str) -> list[list[float]]:
    """The losses of every step, cell by cell."""
    data, points = load(parameters), cells(parameters)
    places = sorted(range(len(points)), key=lambda place: points[place]["depth"])
    losses: list[list[float]] = [[] for _ in points]
    for _, group in groupby(places, key=lambda place: points[place]["depth"]):
        together = list(group)
        for place, found in zip(together, _train_stack([points[i] for i in together], data, device), strict=True):
            losses[place] = found
    return losses


def _train_stack(stack: list[Cell], data: Data, device: str) -> list[list[float]]:
    models = [network(cell, inputs=data.x_train.shape[1], classes=data.classes).to(device) for cell in stack]
    weights, buffers = stack_module_state(models)  # type: ignore[arg-type]
    skeleton = copy.deepcopy(models[0]).to("meta")

    def loss_of(weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(skeleton, (weights, buffers), (x,)), y)

    losses_of = vmap(loss_of)
    update = optimizer(stack[0], weights.values())
    x, y = samples(stack[0], data, device)
    losses = []
    for rows in torch.stack([batches(cell, data) for cell in stack], 1).to(device):
        loss = losses_of(weights, buffers, x[rows], y[rows])
        update.zero_grad()
        loss.sum().backward()
        update.step()
        losses.append(loss.detach())
    found: list[list[float]] = torch.stack(losses, 1).tolist()
    return found
