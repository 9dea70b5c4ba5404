"""The families of networks (``architecture``): how cells become a stack, and what a training step of a cell costs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_mlp import BNMLPCell, BNMLPStack
from phasemap.models.residual import ResidualCell, ResidualStack
from phasemap.models.stack import Stack
from phasemap.models.vgg import VGGCell, VGGStack
from phasemap.models.vgg_shapes import convolutions
from phasemap.theory.residual.widths import Widths, gradient_growth_rate, parse_widths
from phasemap.train.compat import torchvision_import as torchvision_ops
from phasemap.train.parameters import VGG

Cell = Mapping[str, Any]  # a cell's normalised parameters, all scalars

RESIDUAL_FIELDS = ("sigma_w", "sigma_b", "sigma_v", "sigma_a", "beta_w", "beta_b", "beta_v", "beta_a")


def build_stack(cells: Sequence[Cell], *, inputs: int, classes: int, dtype: torch.dtype, device: str = "cpu") -> Stack:
    """The stack of cells with equal ``stacking_key``, made on the device: members of one seed share what is drawn and
    copied there."""
    if cells[0]["architecture"] == VGG:
        torchvision_ops.ensure()  # torchvision draws weights of its own first: on the CPU, whatever the device
        members = [VGGCell(c["seed"], c["gamma"], c["beta"], c["eps"]) for c in cells]
        return VGGStack(members, classes=classes, train_bn=cells[0]["train_bn"], dtype=dtype).to(device)
    with torch.device(device):
        return _ragged(cells, inputs, classes, dtype).to(device)


def _ragged(cells: Sequence[Cell], inputs: int, classes: int, dtype: torch.dtype) -> Stack:
    first = cells[0]
    activation = torch_activation(first["activation"], slope=first["slope"], alpha=first["alpha"])
    if first["architecture"] == "resnet":
        return ResidualStack(
            [ResidualCell(c["depth"], c["seed"], *(c[field] for field in RESIDUAL_FIELDS)) for c in cells],
            inputs=inputs,
            widths=residual_widths(max(cells, key=lambda cell: cell["depth"])),
            classes=classes,
            activation=activation,
            dtype=dtype,
        )
    return BNMLPStack(
        [BNMLPCell(c["depth"], c["seed"], c["gamma"], c["beta"], c["eps"], c["sigma_w"]) for c in cells],
        inputs=inputs,
        width=first["width"],
        classes=classes,
        activation=activation,
        train_bn=first["train_bn"],
        dtype=dtype,
    )


def residual_widths(cell: Cell) -> Widths:
    """The width schedule of one residual network.

    Raises:
        InputError: the schedule has no known form or does not fit the depth.
    """
    rate = gradient_growth_rate(cell["sigma_v"], cell["sigma_w"], cell["sigma_a"])
    return parse_widths(cell["widths"], cell["depth"], rate=rate)


def stacking_key(cell: Cell) -> Hashable:
    """Cells with equal keys fit in one stack: a layer has the same width in all that have it, and so has the last."""
    if cell["architecture"] == VGG:
        return tuple(sorted((name, repr(value)) for name, value in cell.items()))  # one network a stack
    if cell["architecture"] != "resnet":
        return ()
    widths = residual_widths(cell)
    # a constant schedule serves every depth; of another, only networks of one depth surely agree
    constant = len({*widths.activation, *widths.hidden}) == 1
    return widths.activation[0] if constant else (widths.activation, widths.hidden)


def layer_widths(cell: Cell) -> list[int]:
    """Widths of all hidden activations of one network, in order."""
    if cell["architecture"] == "resnet":
        widths = residual_widths(cell)
        return [width for pair in zip(widths.hidden, widths.activation[1:], strict=True) for width in pair]
    if cell["architecture"] == VGG:
        return [channels * side**2 for _, channels, side in convolutions()]
    return [cell["width"]] * cell["depth"]
