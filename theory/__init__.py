"""Mean field theory of deep networks at initialisation: NumPy and SciPy only. Any room may import it.

``phasemap.theory.batchnorm(…)`` and ``phasemap.theory.resnet(…)`` give pandas tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phasemap.theory import activations, batchnorm, residual
    from phasemap.theory.tables.residual_table import resnet

__all__ = ["activations", "batchnorm", "residual", "resnet"]


def __getattr__(name: str) -> Any:
    if name == "resnet":
        return import_module(f"{__name__}.tables.residual_table").resnet
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
