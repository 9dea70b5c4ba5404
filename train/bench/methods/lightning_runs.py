"""One Lightning run a cell: in this process, or in one of its own, as a W&B agent starts them.

Lean: the samples are tensors, a batch is one indexing, nothing is logged, no checkpoint, no progress bar. What a user
adds to that (``self.log``, ``wandb.init``: seconds a run) is not counted against them.
"""

from __future__ import annotations

import json
import sys
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from phasemap.train.bench.methods.networks import Cell, batches, network, optimizer, samples
from phasemap.train.cells import cells
from phasemap.train.compat import lightning
from phasemap.train.compat.lightning import pl
from phasemap.train.data.load import load
from phasemap.train.data.samples import Data
from phasemap.train.parameters import normalise


class CellModule(pl.LightningModule):
    """One cell, as in Lightning's own examples."""

    def __init__(self, cell: Cell, data: Data) -> None:
        super().__init__()
        self.cell = cell
        self.network = network(cell, inputs=data.x_train.shape[1], classes=data.classes)
        self.losses: list[Tensor] = []

    def training_step(self, batch: list[Tensor], batch_index: int) -> Tensor:
        """The loss of one batch."""
        x, y = batch
        loss = functional.cross_entropy(self.network(x), y)
        self.losses.append(loss.detach())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """torch's own optimizer."""
        return optimizer(self.cell, self.network.parameters())


def fit(cell: Cell, data: Data, device: str) -> CellModule:
    """Trains one cell by ``Trainer.fit``."""
    module = CellModule(cell, data)
    x, y = samples(cell, data, device)
    loader = DataLoader(TensorDataset(x, y), sampler=cast(Any, batches(cell, data).to(device)), batch_size=None)
    lightning.fit(module, loader, device=device)
    return module


def train(parameters: dict[str, Any], device: str) -> list[list[float]]:
    """The losses of every step, cell by cell, in this process."""
    data = load(parameters)
    return [torch.stack(fit(cell, data, device).losses).tolist() for cell in cells(parameters)]


def main(arguments: list[str]) -> None:
    """``PARAMETERS DEVICE``: the whole run of one cell; prints its test accuracy."""
    parameters, device = normalise(json.loads(arguments[0])), arguments[1]
    torch.set_flush_denormal(True)
    (cell,) = cells(parameters)
    data = load(parameters)
    model = fit(cell, data, device).network.eval().to(device)
    x = torch.from_numpy(data.x_test).to(device, getattr(torch, cell["dtype"]))
    with torch.no_grad():
        predicted = model(x).argmax(1).cpu().numpy()
    print(json.dumps({"test_accuracy": float((predicted == data.y_test).mean())}))


if __name__ == "__main__":
    main(sys.argv[1:])
