"""Catalogues: named things, a line each, imported when they are asked for; and how files of your own add to them.

A catalogue's lines are ``name: "module:attribute"``. The environment variable ``PHASEMAP_EXTENSIONS`` names files of
your own (separated as ``PATH`` is) that are run once before any catalogue is read; each registers what it adds. Worker
processes and W&B agents inherit the variable, so that they know the same names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from phasemap.theory.errors import InputError, unknown_name
from phasemap.theory.user_code import run_user_file

EXTENSIONS = "PHASEMAP_EXTENSIONS"
Entry = TypeVar("Entry")
_run: set[str] = set()


class Catalogue(Mapping[str, Entry], Generic[Entry]):
    """Things of one kind by name, in the order of their lines.

    Args:
        what: the kind in one word, for messages.
        lines: ``module:attribute`` by name.

    Attributes:
        additions: how often something was registered, for who remembers what follows from the entries.
    """

    def __init__(self, what: str, lines: Mapping[str, str]) -> None:
        self.what = what
        self._lines: dict[str, str | Entry] = dict(lines)
        self.additions = 0

    def register(self, name: str, entry: str | Entry) -> None:
        """Adds a thing, or a line ``module:attribute`` that names it. Raises ValueError if the name is taken."""
        if self._lines.get(name, entry) != entry:
            raise ValueError(f"the {self.what} {name!r} is there already")
        self._lines[name] = entry
        self.additions += 1

    def __getitem__(self, name: str) -> Entry:
        """The thing called ``name``, imported now. Raises InputError where there is none."""
        if name not in self:
            raise InputError(unknown_name(name, self._lines, self.what))
        entry = self._lines[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = self._lines[name] = cast(Entry, getattr(import_module(module), attribute))
        return entry

    def __iter__(self) -> Iterator[str]:
        run_extensions()
        return iter(self._lines)

    def __len__(self) -> int:
        run_extensions()
        return len(self._lines)

    def __contains__(self, name: Any) -> bool:
        if name not in self._lines:  # then a file of the user's own may add it
            run_extensions()
        return name in self._lines


def run_extensions() -> None:
    """Runs each file of ``PHASEMAP_EXTENSIONS`` that has not been run yet. Raises InputError for one that fails."""
    for file in filter(None, os.environ.get(EXTENSIONS, "").split(os.pathsep)):
        if file not in _run:
            _run.add(file)
            run_user_file(file)
