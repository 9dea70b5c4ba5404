"""The theory of deep batch-normalised networks; the rooms above import its files, and you the names here.

Called, ``phasemap.theory.batchnorm("relu", batch_size=[8, 64])``, it gives its table (``tables.batchnorm_table``).
"""

import sys
from typing import TYPE_CHECKING, Any

from phasemap.theory.lazy import CallableModule, attribute

if TYPE_CHECKING:
    from phasemap.theory.batchnorm.gradient_explosion import (
        DepthScale,
        depth_scale,
        depth_scales,
        gradient_explosion_rate,
    )
    from phasemap.theory.batchnorm.record import batchnorm_record
    from phasemap.theory.batchnorm.setting import Setting

__all__ = ["DepthScale", "Setting", "batchnorm_record", "depth_scale", "depth_scales", "gradient_explosion_rate"]
_LINES = {
    "batchnorm_record": "phasemap.theory.batchnorm.record",
    "DepthScale": "phasemap.theory.batchnorm.gradient_explosion",
    "depth_scale": "phasemap.theory.batchnorm.gradient_explosion",
    "depth_scales": "phasemap.theory.batchnorm.gradient_explosion",
    "gradient_explosion_rate": "phasemap.theory.batchnorm.gradient_explosion",
    "Setting": "phasemap.theory.batchnorm.setting",
}
_TABLE = "phasemap.theory.tables.batchnorm_table:batchnorm"


def __getattr__(name: str) -> Any:
    return attribute(__name__, name, _LINES)


sys.modules[__name__].__class__ = CallableModule
