"""Residual networks with variance variation (σ²·l^(−β)·L^(−δ)) and width variation (Yang & Schoenholz 2018)."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phasemap.theory.errors import noted
from phasemap.theory.residual.widths import Widths, gradient_growth_rate, parse_widths
from phasemap.train.families.family import Cell, Family
from phasemap.train.families.step_cost import Layer, StepCost, layered_cost
from phasemap.train.parameter_rows.network import shared
from phasemap.train.parameter_rows.row import Parameter, in_range

if TYPE_CHECKING:
    import torch

    from phasemap.models.stack import Stack

LAYER = Layer(kernels=7, traffic=6, kept=1.5)
"""For each of a block's two activations. Kept are φ's input and output, and the block's own input."""
LETTERS = {"w": "hidden weights", "b": "hidden biases", "v": "outer weights", "a": "outer biases"}
VARIANCES = (*(f"sigma_{letter}" for letter in "wbva"), *(f"beta_{letter}" for letter in "wbva"))
SCALINGS = tuple(f"depth_scaling_{letter}" for letter in "wbva")
"""σ and β of the variances σ²·l^(−β), and the exponents δ of L^(−δ), in the order in which
``models.residual.ResidualCell`` takes them."""


def _variance_rows() -> dict[str, Parameter]:
    rows = {
        f"sigma_{letter}": Parameter(
            float, 1.0, f"scale of the {LETTERS[letter]}", stackable=True, **in_range(f"sigma_{letter}")
        )
        for letter in "bva"  # σ_w is shared with other families
    }
    rows |= {
        f"beta_{letter}": Parameter(
            float, 0.0, f"variance decay of the {what}", stackable=True, **in_range(f"beta_{letter}")
        )
        for letter, what in LETTERS.items()
    }
    scaled = "variance of the {} is divided by depth to this power; 0 if not given"
    return rows | {
        f"depth_scaling_{letter}": Parameter(
            float,
            None,
            scaled.format(what),
            stackable=True,
            nullable=True,
            neutral=0.0,
            **in_range(f"depth_scaling_{letter}"),
        )
        for letter, what in LETTERS.items()
    }


class Residual(Family):
    """Residual networks; each block has a hidden and an outer layer."""

    name = "resnet"
    rows = {  # noqa: RUF012
        **shared("depth", "activation", "slope", "alpha", "sigma_w"),
        **_variance_rows(),
        "widths": Parameter(
            str,
            "128",
            "width schedule, such as 2048/2@16,25,36",
            stackable=True,
            spelling=lambda text: text.replace(" ", ""),
            other_names=("width_schedule",),
        ),
    }
    uses_batch_statistics = False
    cost_axes = ("depth", "widths")
    contours = ("p", "s", "e", "chi", "chi_w", "chi_v", "chi_w_spread", "chi_sum", "gradient_spread")

    def check(self, values: Mapping[str, Any]) -> list[str]:
        """Its width schedules have a known form, and fit the depths."""
        texts = values["widths"] if isinstance(values["widths"], list) else [values["widths"]]
        depths = values["depth"] if isinstance(values["depth"], list) else [values["depth"]]
        mistakes: list[str] = []
        if isinstance(values["depth"], str):  # it follows another parameter
            return mistakes
        for text, depth in itertools.product(texts, sorted({min(depths), max(depths)})):
            with noted(mistakes):
                parse_widths(text, depth, rate=1.0)
        return mistakes

    def build(
        self, cells: Sequence[Cell], *, inputs: int, classes: int, dtype: torch.dtype, device: str = "cpu"
    ) -> Stack:
        """A ragged stack: members of different depth, variances and seed, and of one width schedule."""
        import torch

        from phasemap.models.activations import torch_activation
        from phasemap.models.residual import ResidualCell, ResidualStack

        first = cells[0]
        with torch.device(device):
            return ResidualStack(
                [ResidualCell(c["depth"], c["seed"], *variances(c)) for c in cells],
                inputs=inputs,
                widths=residual_widths(max(cells, key=lambda cell: cell["depth"])),
                classes=classes,
                activation=torch_activation(first["activation"], slope=first["slope"], alpha=first["alpha"]),
                dtype=dtype,
            ).to(device)

    def stacking_key(self, cell: Cell) -> Hashable:
        """A constant width serves every depth; of another schedule, only networks of one depth surely agree."""
        widths = residual_widths(cell)
        constant = len({*widths.activation, *widths.hidden}) == 1
        return widths.activation[0] if constant else (widths.activation, widths.hidden)

    def hidden_widths(self, cell: Cell) -> list[int]:
        """Of each block the hidden layer, then its output."""
        widths = residual_widths(cell)
        return [width for pair in zip(widths.hidden, widths.activation[1:], strict=True) for width in pair]

    def step_cost(self, cell: Cell, *, inputs: int, classes: int, item: int = 4) -> StepCost:
        """By its blocks; one that changes the width has a projection."""
        widths = residual_widths(cell)
        before, after = widths.activation[:-1], widths.activation[1:]
        blocks = sum(
            hidden * (n + m) + (n * m if n != m else 0)
            for n, m, hidden in zip(before, after, widths.hidden, strict=True)
        )
        weights = inputs * before[0] + blocks + after[-1] * classes
        return layered_cost(
            cell,
            LAYER,
            widths=self.hidden_widths(cell),
            weights=weights,
            multiplications=weights,
            inputs=inputs,
            item=item,
        )


def variances(cell: Cell) -> list[float]:
    """The values of ``VARIANCES`` and ``SCALINGS``; an exponent that is not given is 0."""
    return [cell[name] for name in VARIANCES] + [cell.get(name) or 0.0 for name in SCALINGS]


def residual_widths(cell: Cell) -> Widths:
    """The width schedule of one residual network, with A of its own σ·L^(−δ/2).

    Raises:
        InputError: the schedule has no known form or does not fit the depth.
    """
    sigmas = [
        cell[f"sigma_{letter}"] * cell["depth"] ** (-(cell.get(f"depth_scaling_{letter}") or 0.0) / 2)
        for letter in "vwa"
    ]
    rate = gradient_growth_rate(*sigmas)
    return parse_widths(cell["widths"], cell["depth"], rate=rate)


FAMILY = Residual()
