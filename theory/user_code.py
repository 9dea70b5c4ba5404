"""Loads an object of the user's own, given as ``path/to/file.py:name``."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from phasemap.theory.errors import InputError


def is_user_code(text: str) -> bool:
    """Whether ``text`` has the form ``path/to/file.py:name`` (a dotted module name has not)."""
    return ".py:" in text


def load_user_module(text: str) -> tuple[ModuleType, str]:
    """The module and the name in ``path/to/file.py:name``.

    The file is loaded under a private name made from its path, so that a user's ``models/`` or ``train.py`` can never
    be confused with a room of this project.

    Raises:
        InputError: the form is wrong, the file is missing or fails to load, or it has no such name.
    """
    path_text, _, name = text.rpartition(":")
    if not path_text.endswith(".py") or not name.isidentifier():
        raise InputError(f"{text!r}: expected path/to/file.py:name")
    path = Path(path_text).expanduser().resolve()
    if not path.is_file():
        raise InputError(f"{text!r}: there is no file {path_text}")
    private = "_phasemap_user_" + hashlib.sha256(str(path).encode()).hexdigest()[:16]
    module = sys.modules.get(private)
    if module is None:
        spec = importlib.util.spec_from_file_location(private, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[private] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # whatever the user's file raises is the user's mistake to read
            del sys.modules[private]
            raise InputError(f"{text!r}: loading {path_text} failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        raise InputError(f"{text!r}: {path_text} has no {name!r}")
    return module, name


def load_user_activation(text: str, xp: ModuleType) -> tuple[ModuleType, Callable[..., Any], Callable[..., Any]]:
    """The module of ``file.py:name`` with φ = ``name(z)`` and φ′ = ``name_derivative(z)`` (or ``name.derivative``).

    A function that takes a second argument ``xp`` is given the array library ``xp``: NumPy in the theory, torch in
    training, so that one definition serves both.

    Raises:
        InputError: as ``load_user_module``, or one of the two is missing.
    """
    module, name = load_user_module(text)
    phi = getattr(module, name)
    derivative = getattr(phi, "derivative", None) or getattr(module, f"{name}_derivative", None)
    if not callable(phi) or not callable(derivative):
        raise InputError(f"{text!r}: expected a function {name}(z) and its derivative {name}_derivative(z)")
    first, second = (
        partial(function, xp=xp) if len(inspect.signature(function).parameters) > 1 else function
        for function in (phi, derivative)
    )
    return module, first, second
