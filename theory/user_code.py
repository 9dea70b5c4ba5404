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
    """The module and the name in ``path/to/file.py:name``. The file's own folder is the first that it imports from.

    Raises:
        InputError: the form is wrong, the file is missing or fails to load, or it has no such name.
    """
    path_text, _, name = text.rpartition(":")
    if not path_text.endswith(".py") or not name.isidentifier():
        raise InputError(f"{text!r}: expected path/to/file.py:name")
    module = run_user_file(path_text, f"{text!r}")
    if not hasattr(module, name):
        raise InputError(f"{text!r}: {path_text} has no {name!r}")
    return module, name


def run_user_file(file: str, named: str = "") -> ModuleType:
    """The module of a user's file, run once a process under a private name made from its path.

    The file's folder stays first on ``sys.path``, as Python has it for a script: a user's ``models/`` or ``train.py``
    is found there, and its functions may import from it when they are called.

    Args:
        named: how messages name the file; its path if not given.

    Raises:
        InputError: there is no such file, or it fails to load.
    """
    named = named or repr(file)
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise InputError(f"{named}: there is no file {file}")
    private = "_phasemap_user_" + hashlib.sha256(str(path).encode()).hexdigest()[:16]
    module = sys.modules.get(private)
    if module is not None:
        return module
    spec = importlib.util.spec_from_file_location(private, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module
    if str(path.parent) not in sys.path[:1]:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises is the user's mistake to read
        del sys.modules[private]
        raise InputError(f"{named}: loading {file} failed: {type(error).__name__}: {error}") from error
    return module


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
