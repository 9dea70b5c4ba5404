"""Deep networks with batch normalisation: Linear → BN → φ in every hidden layer (Yang et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from phasemap.theory.errors import InputError
from phasemap.train.families.family import Cell, Family
from phasemap.train.families.step_cost import Layer, StepCost, layered_cost
from phasemap.train.parameter_rows.network import shared

if TYPE_CHECKING:
    import torch

    from phasemap.models.batchnorm_mlp import BNMLPStack
    from phasemap.models.stack import Stack
    from phasemap.theory.batchnorm.setting import Setting

LAYER = Layer(kernels=23, traffic=28, kept=3.0)
"""Kept are the normalised pre-activations, φ's input and its output."""


class BatchNormMLP(Family):
    """Fully connected networks of one width."""

    name = "bn-mlp"
    rows = shared("depth", "width", "activation", "slope", "alpha", "gamma", "beta", "eps", "train_bn", "sigma_w")
    uses_batch_statistics = True
    lines: ClassVar[tuple[str, ...]] = ("xi",)
    layer: ClassVar[Layer] = LAYER

    def stack_type(self) -> type[BNMLPStack]:
        """The module that ``build`` makes."""
        from phasemap.models.batchnorm_mlp import BNMLPStack

        return BNMLPStack

    def build(
        self, cells: Sequence[Cell], *, inputs: int, classes: int, dtype: torch.dtype, device: str = "cpu"
    ) -> Stack:
        """A ragged stack: members of different depth, γ, β, ε, σ_w and seed."""
        import torch

        from phasemap.models.activations import torch_activation
        from phasemap.models.batchnorm_mlp import BNMLPCell

        first = cells[0]
        with torch.device(device):  # members of one seed share what is drawn and copied there
            return self.stack_type()(
                [BNMLPCell(c["depth"], c["seed"], c["gamma"], c["beta"], c["eps"], c["sigma_w"]) for c in cells],
                inputs=inputs,
                width=first["width"],
                classes=classes,
                activation=torch_activation(first["activation"], slope=first["slope"], alpha=first["alpha"]),
                train_bn=first["train_bn"],
                dtype=dtype,
            ).to(device)

    def hidden_widths(self, cell: Cell) -> list[int]:
        """The one width, for every layer."""
        return [cell["width"]] * cell["depth"]

    def step_cost(self, cell: Cell, *, inputs: int, classes: int, item: int = 4) -> StepCost:
        """By its layers."""
        width = cell["width"]
        weights = int(inputs * width + (cell["depth"] - 1) * width**2 + width * classes)
        return layered_cost(
            cell,
            self.layer,
            widths=self.hidden_widths(cell),
            weights=weights,
            multiplications=weights,
            inputs=inputs,
            item=item,
        )

    def log_explosion(self, cell: Cell) -> float:
        """depth·|ln λ_G| (Thms 3.9, 3.10 of Yang et al. 2019)."""
        from phasemap.theory.batchnorm.setting import Setting

        return float(cell["depth"] * _log_rate(Setting.of(cell)))

    def log_explosion_bound(self, cell: Cell) -> float:
        """With ε = 0, in closed form, where φ is homogeneous of degree 1: an ε below the critical one only damps."""
        from phasemap.theory.batchnorm.setting import Setting

        setting = Setting.of(cell)
        alike = replace(setting, eps=0.0, gamma=1.0, sigma_w=1.0)  # γ and σ_w change nothing at ε = 0, but scale ε
        damped = setting.eps < _damping_eps(alike) * (setting.gamma * setting.sigma_w) ** 2
        return float(cell["depth"] * _log_rate(alike if damped else setting))


@lru_cache(maxsize=4096)  # thousands of tiles mostly differ in other things
def _damping_eps(setting: Setting) -> float:
    """The ε up to which it only damps, at γ = σ_w = 1; 0 where nothing is known of that."""
    from phasemap.theory.batchnorm.fixed_point import critical_eps
    from phasemap.theory.homogeneous import homogeneous

    phi, size = homogeneous(setting.phi), int(setting.batch_size)
    return critical_eps(setting.phi, size) if phi and phi.alpha == 1 and size > 3 else 0.0


@lru_cache(maxsize=4096)
def _log_rate(setting: Setting) -> float:
    """|ln λ_G|; 0 where the theory has no rate (batch size 3, no fixed point): nothing to object to."""
    from phasemap.theory.batchnorm.gradient_explosion import gradient_explosion_rate

    try:
        rate = gradient_explosion_rate(setting.phi, int(setting.batch_size), eps=setting.eps, sigma_w=setting.sigma_w)
    except InputError:
        return 0.0
    return abs(math.log(rate)) if rate and math.isfinite(rate) and rate > 0 else 0.0


FAMILY = BatchNormMLP()
