"""Mean field theory of deep networks at initialisation: NumPy and SciPy only. Any room may import it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phasemap.theory import activations, batchnorm, residual

__all__ = ["activations", "batchnorm", "residual"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
