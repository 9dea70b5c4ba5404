"""One cell as everybody would write it: an ``nn.Module`` of torch's own layers, with the engine's initial weights.

The rivals of the engine train these. They start from the same numbers and see the same samples in the same order, so
that their losses must be the engine's (tests/train/bench/test_bench.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor, nn

from phasemap.models.initial_weights import (
    EMBEDDING,
    HIDDEN,
    READ_OUT,
    RESIDUAL_A,
    RESIDUAL_B,
    RESIDUAL_V,
    normal_weights,
)
from phasemap.models.residual import ResidualCell
from phasemap.train.data.samples import Data
from phasemap.train.engine.data_order import epoch_order
from phasemap.train.families.catalogue import family_of
from phasemap.train.families.residual import VARIANCES

Cell = Mapping[str, Any]
PHI: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Block(nn.Module):
    """x + V·φ(W·x + b) + a."""

    def __init__(self, w: nn.Linear, phi: nn.Module, v: nn.Linear) -> None:
        super().__init__()
        self.w, self.phi, self.v = w, phi, v

    def forward(self, x: Tensor) -> Tensor:
        """One block: [B, N] to [B, N]."""
        return x + self.v(self.phi(self.w(x)))


def _linear(weight: NDArray[np.float64], bias: NDArray[np.float64] | None = None) -> nn.Linear:
    """A layer with the weights [fan_in, fan_out] and the bias [fan_out]."""
    fan_in, fan_out = weight.shape
    layer = nn.Linear(fan_in, fan_out, bias=bias is not None, device="meta")  # draws no weights of its own
    layer.weight = nn.Parameter(torch.from_numpy(weight.T.copy()))
    if bias is not None:
        layer.bias = nn.Parameter(torch.from_numpy(bias))
    return layer


def _read_out(cell: Cell, width: int, classes: int) -> nn.Linear:
    return _linear(normal_weights(cell["seed"], READ_OUT, 0, width, classes), np.zeros(classes))


def network(cell: Cell, *, inputs: int, classes: int) -> nn.Sequential:
    """The network of a normalised cell; residual ones of one width only."""
    dtype = getattr(torch, cell["dtype"])
    make = _batch_norm if family_of(cell).uses_batch_statistics else _residual
    return make(cell, inputs, classes).to(dtype)


def _batch_norm(cell: Cell, inputs: int, classes: int) -> nn.Sequential:
    seed, width = cell["seed"], cell["width"]
    layers: list[nn.Module] = []
    for layer in range(cell["depth"]):
        scale = cell["sigma_w"] if layer else 1.0
        norm = nn.BatchNorm1d(width, eps=cell["eps"], dtype=torch.float64)
        nn.init.constant_(norm.weight, cell["gamma"])
        nn.init.constant_(norm.bias, cell["beta"])
        weight = scale * normal_weights(seed, HIDDEN, layer, width if layer else inputs, width)
        layers += [_linear(weight), norm, PHI[cell["activation"]]()]
    return nn.Sequential(*layers, _read_out(cell, width, classes))


def _residual(cell: Cell, inputs: int, classes: int) -> nn.Sequential:
    seed, width, phi = cell["seed"], int(cell["widths"]), PHI[cell["activation"]]()
    law = ResidualCell(cell["depth"], seed, *(cell[field] for field in VARIANCES))

    def draw(name: str, purpose: int, layer: int, fan_in: int) -> NDArray[np.float64]:
        return law.deviation(name, layer) * normal_weights(seed, purpose, layer, fan_in, width)

    layers: list[nn.Module] = [_linear(normal_weights(seed, EMBEDDING, 0, inputs, width))]
    for layer in range(1, cell["depth"] + 1):
        w = _linear(draw("w", HIDDEN, layer, width), draw("b", RESIDUAL_B, layer, 1)[0])
        v = _linear(draw("v", RESIDUAL_V, layer, width), draw("a", RESIDUAL_A, layer, 1)[0])
        layers.append(Block(w, phi, v))
    return nn.Sequential(*layers, _read_out(cell, width, classes))


def batches(cell: Cell, data: Data) -> Int64[Tensor, "steps B"]:
    """Sample numbers of every step, in the engine's order."""
    size, steps, samples = cell["batch_size"], cell["steps"], len(data.x_train)
    epochs = range(-(-steps // (samples // size)))
    order = np.concatenate([epoch_order(cell["seed"], epoch, samples, size) for epoch in epochs])
    return torch.from_numpy(order[:steps])


def samples(cell: Cell, data: Data, device: str) -> tuple[Float[Tensor, "n D"], Int64[Tensor, " n"]]:
    """The training set on the device."""
    x = torch.from_numpy(data.x_train).to(device, getattr(torch, cell["dtype"]))
    return x, torch.from_numpy(data.y_train).to(device)


def optimizer(cell: Cell, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """torch's own optimizer, one kernel for many parameters where torch has it."""
    if cell["optimizer"] == "rmsprop":
        alpha, eps = cell["rmsprop_alpha"], cell["rmsprop_eps"]
        return torch.optim.RMSprop(parameters, cell["lr"], alpha=alpha, eps=eps, foreach=True)
    return torch.optim.SGD(parameters, cell["lr"], momentum=cell["momentum"], foreach=True)
