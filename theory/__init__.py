"""Mean field theory of deep networks at initialisation: NumPy and SciPy only. Any room may import it.

``phasemap.theory.batchnorm(…)``, ``phasemap.theory.mlp(…)`` and ``phasemap.theory.resnet(…)`` give pandas tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phasemap.theory import activations, batchnorm, mlp, residual

_TABLES = {
    "resnet": "phasemap.theory.tables.residual_table:residual_layers",
}
__all__ = ["activations", "batchnorm", "mlp", "residual", *_TABLES]


def __getattr__(name: str) -> Any:
    if name in _TABLES:
        module, _, function = _TABLES[name].partition(":")
        return getattr(import_module(module), function)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
