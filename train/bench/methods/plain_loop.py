"""The plain PyTorch loop: one cell after another, everything on the device, nothing that waits for it."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from phasemap.train.bench.methods.networks import Cell, batches, network, optimizer, samples
from phasemap.train.cells import cells
from phasemap.train.data.load import load
from phasemap.train.data.samples import Data


def train(parameters: dict[str, Any], device: str) -> list[list[float]]:
    """The losses of every step, cell by cell."""
    data = load(parameters)
    return [_train_cell(cell, data, device) for cell in cells(parameters)]


def _train_cell(cell: Cell, data: Data, device: str) -> list[float]:
    model = network(cell, inputs=data.x_train.shape[1], classes=data.classes).to(device)
    update = optimizer(cell, model.parameters())
    x, y = samples(cell, data, device)
    losses = []
    for rows in batches(cell, data).to(device):
        loss = functional.cross_entropy(model(x[rows]), y[rows])
        update.zero_grad()
        loss.backward()
        update.step()
        losses.append(loss.detach())
    found: list[float] = torch.stack(losses).tolist()
    return found
