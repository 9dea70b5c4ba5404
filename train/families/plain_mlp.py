"""Ordinary deep networks, without batch normalisation: Linear → φ or Linear → LayerNorm → φ, with or without dropout
(Schoenholz et al. 2017)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

from phasemap.train.families.family import Cell, Family
from phasemap.train.families.residual import Residual
from phasemap.train.families.step_cost import Layer, StepCost, layered_cost
from phasemap.train.parameter_rows.network import shared
from phasemap.train.parameter_rows.row import Parameter, in_range, one_of

if TYPE_CHECKING:
    import torch

    from phasemap.models.stack import Stack

LAYER = Layer(kernels=7, traffic=6, kept=2.0)
"""Kept are φ's input and its output."""
LAYER_NORM = Layer(kernels=2, traffic=5, kept=1.0)
"""What layer normalisation adds. Kept is its output."""
DROPOUT = Layer(kernels=14, traffic=31, kept=2.0)
"""What dropout adds. Kept are the mask and its product with φ(z)."""


class MLP(Family):
    """Fully connected networks of one width."""

    name = "mlp"
    rows = {  # noqa: RUF012
        **shared("depth", "width", "activation", "slope", "alpha", "eps", "sigma_w"),
        "sigma_b": Residual.rows["sigma_b"],
        "keep": Parameter(
            float,
            1.0,
            "probability with which dropout keeps a unit in training; 1: no dropout",
            **in_range("keep"),
            stackable=True,
            other_names=("keep_prob", "keep_probability", "keep_rate", "dropout", "dropout_rate"),
        ),
        "norm": Parameter(
            str,
            "none",
            "normalisation before the activation",
            **one_of("none", "layer"),
            other_names=("normalization", "normalisation", "norm_layer", "layer_norm"),
        ),
        "init": Parameter(
            str,
            "gaussian",
            "how the hidden weights are drawn",
            **one_of("gaussian", "orthogonal"),
            other_names=("initialization", "initialisation", "initializer", "weight_init"),
        ),
        "train_bias": Parameter(bool, True, "train the hidden biases (false: freeze them)", other_names=("bias",)),
    }
    uses_batch_statistics = False
    cost_axes = ("depth", "keep")
    lines = ("xi", "xi_grad")
    only_with = {"eps": ("norm", "layer")}  # noqa: RUF012

    def build(
        self, cells: Sequence[Cell], *, inputs: int, classes: int, dtype: torch.dtype, device: str = "cpu"
    ) -> Stack:
        """A ragged stack: members of different depth, σ_w, σ_b, ρ and seed."""
        import torch

        from phasemap.models.activations import torch_activation
        from phasemap.models.mlp import MLPCell, MLPStack

        first = cells[0]
        with torch.device(device):
            return MLPStack(
                [MLPCell(c["depth"], c["seed"], c["sigma_w"], c["sigma_b"], c["keep"]) for c in cells],
                inputs=inputs,
                width=first["width"],
                classes=classes,
                activation=torch_activation(first["activation"], slope=first["slope"], alpha=first["alpha"]),
                eps=first["eps"] if first["norm"] == "layer" else None,
                orthogonal=first["init"] == "orthogonal",
                train_bias=first["train_bias"],
                dtype=dtype,
            ).to(device)

    def stacking_key(self, cell: Cell) -> Hashable:
        """Members have one ε, and all of them dropout, or none: it costs as much as the rest of a layer."""
        return cell["eps"] if cell["norm"] == "layer" else None, cell["keep"] < 1

    def hidden_widths(self, cell: Cell) -> list[int]:
        """The one width, for every layer."""
        return [cell["width"]] * cell["depth"]

    def step_cost(self, cell: Cell, *, inputs: int, classes: int, item: int = 4) -> StepCost:
        """By its layers."""
        width = cell["width"]
        weights = int(inputs * width + (cell["depth"] - 1) * width**2 + width * classes)
        return layered_cost(
            cell,
            layer(cell),
            widths=self.hidden_widths(cell),
            weights=weights,
            multiplications=weights,
            inputs=inputs,
            item=item,
        )

    def log_explosion(self, cell: Cell) -> float:
        """How much larger the gradient is in the first layer than in the last. One that vanishes counts only where
        RMSProp divides by its size: SGD moves no weight by it, in either dtype."""
        from phasemap.train.families.mlp_gradients import log_gradient_ratio

        ratio = log_gradient_ratio(cell)
        return abs(ratio) if cell["optimizer"] == "rmsprop" else max(ratio, 0.0)


def layer(cell: Cell) -> Layer:
    """What a hidden layer of such a network costs."""
    parts = [LAYER, *([LAYER_NORM] if cell["norm"] == "layer" else []), *([DROPOUT] if cell["keep"] < 1 else [])]
    return Layer(*map(sum, zip(*map(astuple, parts), strict=True)))


FAMILY = MLP()
