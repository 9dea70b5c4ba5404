"""Loads an object of the user's own, given as ``path/to/file.py:name``. Its code runs behind the guard."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard, keep_apart_at_exit, one_line, own_code_in
from phasemap.theory.trust import ask_to_run

Function = Callable[[Any], Any]


def is_user_code(text: str) -> bool:
    """Whether ``text`` has the form ``path/to/file.py:name`` (a dotted module name has not)."""
    return ".py:" in text


def file_of(text: str) -> str:
    """The path in ``path/to/file.py:name``."""
    return text.rpartition(":")[0]


def load_user_module(text: str) -> tuple[ModuleType, str]:
    """The module and the name in ``path/to/file.py:name``. The file's own folder is the first that it imports from.

    Raises:
        InputError: the form is wrong, the file is missing or fails to load, or it has no such name; NotTrusted where
            the file must not be run.
    """
    path_text, _, name = text.rpartition(":")
    if not path_text.endswith(".py") or not name.isidentifier():
        raise InputError(f"{text!r}: expected path/to/file.py:name")
    if _private_name(_resolved(path_text, repr(text))) not in sys.modules:  # else it has run already
        ask_to_run(text)
    module = run_user_file(path_text, repr(text))
    with guard(f"{text!r}: looking for {name!r} failed", file=path_text):
        there = hasattr(module, name)
    if not there:
        raise InputError(f"{text!r}: {path_text} has no {name!r}")
    return module, name


def run_user_file(file: str, named: str = "") -> ModuleType:
    """The module of a user's file, run once a process under a private name made from its path.

    The file's folder stays first on ``sys.path``, as Python has it for a script: a user's ``models/`` or ``train.py``
    is found there, and its functions may import from it when they are called. A file with relative imports is run as a
    part of the package that it lies in.

    Args:
        named: how messages name the file; its path if not given.

    Raises:
        InputError: there is no such file, or it fails to load.
    """
    named = named or repr(file)
    path = _resolved(file, named)
    if not path.is_file():
        raise InputError(f"{named}: there is no file {file}")
    private = _private_name(path)
    if (module := sys.modules.get(private)) is not None:
        return module
    own_code_in(path.parent)
    package = _package(path)
    for folder in dict.fromkeys((str(path.parents[len(package)]), str(path.parent))):
        if folder not in sys.path[:1]:
            sys.path.insert(0, folder)
    try:
        with guard(f"{named}: loading {file} failed", file=file):
            if package:
                importlib.import_module(".".join(package))
            spec = importlib.util.spec_from_file_location(".".join([*package, private]), path)
            assert spec is not None
            assert spec.loader is not None
            module = sys.modules[private] = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(private, None)
        raise
    keep_apart_at_exit()
    return module


def _resolved(file: str, named: str) -> Path:
    try:
        path = Path(file).expanduser().resolve()
        path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, a NUL within, no such home
        raise InputError(f"{named}: {one_line(file)} is no path here: {one_line(str(error))}") from error
    return path


def _private_name(path: Path) -> str:
    return "_phasemap_user_" + hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:16]


def _package(path: Path) -> list[str]:
    """The folders, from the outermost, that a file with relative imports has as its package; none for others."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # running it says what is wrong
    level = max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)
    folders = path.parents[:-1]  # all but the root
    marked = next((i for i, folder in enumerate(folders) if not (folder / "__init__.py").is_file()), len(folders))
    return [folder.name for folder in reversed(folders[: max(level, marked)])] if 0 < level <= len(folders) else []


def load_user_activation(text: str, xp: ModuleType) -> tuple[ModuleType, Function, Function]:
    """The module of ``file.py:name`` with φ = ``name(z)`` and φ′ = ``name_derivative(z)`` (or ``name.derivative``).

    A function that takes an argument ``xp`` is given the array library ``xp``: NumPy in the theory, torch in training,
    so that one definition serves both. What they raise is an InputError. Of NumPy they are given arrays that they
    cannot write to, and what they return is checked.

    Raises:
        InputError: as ``load_user_module``, or one of the two is missing.
    """
    module, name = load_user_module(text)
    with guard(f"{text!r}: looking at {name!r} failed", file=file_of(text)):
        phi = getattr(module, name)
        derivative = getattr(phi, "derivative", None) or getattr(module, f"{name}_derivative", None)
    if not callable(phi) or not callable(derivative):
        raise InputError(f"{text!r}: expected a function {name}(z) and its derivative {name}_derivative(z)")
    first, second = (partial(function, xp=xp) if _takes_xp(function) else function for function in (phi, derivative))
    if xp.__name__ == "numpy":
        return module, _on_arrays(first, text, f"{name}(z)"), _on_arrays(second, text, f"the derivative of {name}(z)")
    return module, first, second


def _takes_xp(function: Any) -> bool:
    try:
        return "xp" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # NumPy's own functions have none
        return False


def _on_arrays(function: Function, text: str, called: str) -> Function:
    """The function behind the guard, from arrays to new arrays of their shape."""
    import numpy as np  # for which `phasemap list` need not wait

    def guarded(z: Any) -> Any:
        given = np.asarray(z).view()
        given.flags.writeable = False
        with guard(f"{text!r}: {called} fails on an array of numbers", file=file_of(text)), np.errstate(all="ignore"):
            values = np.array(function(given))
        if values.shape != given.shape:
            raise InputError(
                f"{text!r}: φ and its derivative must keep the shape of the array they are given; {called} made "
                f"{values.shape} of {given.shape}"
            )
        if values.dtype.kind not in "fiub":
            raise InputError(f"{text!r}: {called} returned {values.dtype}: expected real numbers")
        return values.astype(float)

    return guarded
