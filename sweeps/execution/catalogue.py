"""The executors that ``phasemap run --executor NAME`` knows; one of your own is ``path/to/file.py:Name``."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from phasemap.sweeps.execution.executor import Executor, ExecutorContext
from phasemap.theory.catalogue import Catalogue
from phasemap.theory.errors import InputError
from phasemap.theory.user_code import is_user_code, load_user_module

LOCAL = "local"
MakesExecutor = Callable[[ExecutorContext], Executor]
EXECUTORS: Catalogue[MakesExecutor] = Catalogue(
    "executor", {LOCAL: "phasemap.sweeps.execution.local.executor:LocalExecutor"}
)


def executor_named(name: str) -> MakesExecutor:
    """What makes the executor called ``name``: a class, or any function of an `ExecutorContext`.

    Raises:
        InputError: there is none of that name, or the user's file has none or fails to load.
    """
    if is_user_code(name):
        module, attribute = load_user_module(name)
        found = getattr(module, attribute)
        if not callable(found):
            raise InputError(f"--executor {name}: {attribute} is of type {type(found).__name__}: expected a class")
        return cast(MakesExecutor, found)
    if name not in EXECUTORS:
        raise InputError(f"--executor {name}: expected one of {', '.join(EXECUTORS)}, or path/to/file.py:Name")
    return EXECUTORS[name]
