"""Names of a package that are imported when they are used, so that importing the package costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def attribute(package: str, name: str, lines: Mapping[str, str]) -> Any:
    """What a package's ``__getattr__`` gives for ``name``: the attribute of that name of the module in ``lines``.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in lines:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(import_module(lines[name]), name)


class CallableModule(ModuleType):
    """A package that is called like its table: ``phasemap.theory.batchnorm("relu", 64)``."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        """What the package's ``_TABLE``, ``module:function``, gives."""
        module, _, name = self._TABLE.partition(":")
        return getattr(import_module(module), name)(*given, **named)
