"""Deep networks with batch normalisation and skip connections, h ↦ h + W·φ(BN(h)) (He et al. 2016)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from phasemap.theory.errors import InputError
from phasemap.train.families.batchnorm_mlp import BatchNormMLP
from phasemap.train.families.family import Cell
from phasemap.train.families.step_cost import Layer

if TYPE_CHECKING:
    from phasemap.models.batchnorm_mlp import BNMLPStack
    from phasemap.theory.batchnorm.setting import Setting

LAYER = Layer(kernels=24, traffic=31, kept=3.0)
"""As in networks without skip connections, and the sum of two gradients."""


class BatchNormResidual(BatchNormMLP):
    """The same parameters, weights and cells as without skip connections; ``depth`` counts the layers with BN."""

    name = "bn-resnet"
    lines: ClassVar[tuple[str, ...]] = ()
    contours = ("growth",)
    layer = LAYER

    def stack_type(self) -> type[BNMLPStack]:
        """The module that ``build`` makes."""
        from phasemap.models.batchnorm_residual import BNResidualStack

        return BNResidualStack

    def log_explosion(self, cell: Cell) -> float:
        """λ_G·ln depth, with which the squared gradient is a power of the layer (docs/theory-bn-residual.md)."""
        from phasemap.theory.batchnorm.setting import Setting

        return _exponent(Setting.of(cell)) * math.log(cell["depth"])

    def log_explosion_bound(self, cell: Cell) -> float:
        """The same: the exponent does not depend on ε."""
        return self.log_explosion(cell)


@lru_cache(maxsize=4096)  # thousands of tiles mostly differ in other things
def _exponent(setting: Setting) -> float:
    """λ_G; 0 where there is none: nothing to object to."""
    from phasemap.theory.batchnorm.skip_connections import gradient_exponent

    try:
        return gradient_exponent(setting.phi, int(setting.batch_size))
    except InputError:
        return 0.0


FAMILY = BatchNormResidual()
