"""The manifest of an output folder: what, beside the experiment, decides the names of its results."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from phasemap.theory.errors import InputError
from phasemap.train.documents import DocumentError, Text, Whole, from_json, of_schema, read_file
from phasemap.train.result_types import Dtype

MANIFEST_SCHEMA = 1
LARGEST = 2**26
"""Bytes of the largest manifest that is read: a million tiles'."""
Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]


@dataclass(frozen=True)
class Manifest:
    """What, beside the experiment, decides the keys of its tiles. The types are those that its file is held against.

    Attributes:
        data: digest of each data set, by ``dataset/train_size/test_size``.
        dtypes, keys: of each tile, in the experiment's order.
        rule: how ``dtype: auto`` was resolved, in words.
    """

    experiment: Text
    preset: Text
    semantics: Whole
    data: dict[Text, Text]
    rule: Text
    dtypes: list[Dtype]
    keys: list[Key]
    schema: Whole = MANIFEST_SCHEMA

    def trainings(self) -> tuple[Any, ...]:
        """What it says of its trainings, without the names of the data's files."""
        return self.semantics, self.keys, self.dtypes, sorted(self.data.values())

    def text(self) -> str:
        """The manifest's file."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. Raises InputError if there is none or it is not of this version."""
    try:
        values = from_json(read_file(path, LARGEST), dict[str, Any])
        if type(values.get("schema")) is int and values["schema"] != MANIFEST_SCHEMA:
            raise InputError(f"{path}: schema {values['schema']}; this program knows {MANIFEST_SCHEMA}")
        manifest: Manifest = of_schema(values, Manifest)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except DocumentError as error:
        raise InputError(_damaged(path, str(error))) from None
    if not len(manifest.dtypes) == len(manifest.keys) == len(set(manifest.keys)):
        raise InputError(_damaged(path, "keys: expected as many different ones as there are dtypes"))
    return manifest


def _damaged(path: Path, reason: str) -> str:
    return f"{path}: is damaged: {reason}; remove the folder or give another --out"
