"""The manifest of an output folder: what, beside the experiment, decides the names of its results."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phasemap.theory.errors import InputError

MANIFEST_SCHEMA = 1


@dataclass(frozen=True)
class Manifest:
    """What, beside the experiment, decides the keys of its tiles.

    Attributes:
        data: digest of each data set, by ``dataset/train_size/test_size``.
        dtypes, keys: of each tile, in the experiment's order.
        rule: how ``dtype: auto`` was resolved, in words.
    """

    experiment: str
    preset: str
    semantics: int
    data: dict[str, str]
    rule: str
    dtypes: list[str]
    keys: list[str]
    schema: int = MANIFEST_SCHEMA

    def trainings(self) -> tuple[Any, ...]:
        """What it says of its trainings, without the names of the data's files."""
        return self.semantics, self.keys, self.dtypes, sorted(self.data.values())

    def text(self) -> str:
        """The manifest's file."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. Raises InputError if there is none or it is not of this version."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        schema = values["schema"]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is damaged; remove the folder or give another --out") from None
    if schema != MANIFEST_SCHEMA:
        raise InputError(f"{path}: schema {schema}; this program knows {MANIFEST_SCHEMA}")
    try:
        return Manifest(**values)
    except TypeError:
        raise InputError(f"{path}: is damaged; remove the folder or give another --out") from None
