"""The shapes that annotations name, checked at the first calls of each function in each test.

Checking every call would double the time of the suite, in which some functions are called a million times.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jaxtyping
from jaxtyping import install_import_hook

FIRST_CALLS = 20
"""Of a function, in one test."""
_every_check = jaxtyping.jaxtyped
_test = [0]


def install(modules: Iterable[str]) -> None:
    """Has the functions of ``modules`` checked, once they are imported."""
    jaxtyping.jaxtyped = _jaxtyped  # type: ignore[assignment]
    install_import_hook(list(modules), "beartype.beartype")


def next_test() -> None:
    """From now on the calls are another test's."""
    _test[0] += 1


def _jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
    """What the import hook decorates classes and functions with, in place of jaxtyping's own."""
    checks = _every_check(typechecker=typechecker)

    def decorated(what: Any) -> Any:
        return checks(what) if isinstance(what, type) else _at_first(what, checks(what))

    return decorated


def _at_first(plain: Callable[..., Any], checked: Callable[..., Any]) -> Callable[..., Any]:
    test, left = -1, 0

    @functools.wraps(plain)
    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal test, left
        if test != _test[0]:
            test, left = _test[0], FIRST_CALLS
        if left:
            left -= 1
            return checked(*arguments, **options)
        return plain(*arguments, **options)

    return call
