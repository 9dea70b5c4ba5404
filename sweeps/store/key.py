"""The name of a tile's result: a hash of what decides its content, the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.theory.user_code import is_user_code


def canonical(document: Any) -> str:
    """JSON with sorted keys and no spaces; floats by their shortest exact spelling. Raises ValueError on NaN."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False, default=_as_dict
    )


def _as_dict(mapping: Any) -> dict[str, Any]:
    """The parameters of a cell that was read, which are no dictionary of their own."""
    if not isinstance(mapping, Mapping):
        raise TypeError(f"{type(mapping).__name__} is no JSON")
    return dict(mapping)


def tile_key(parameters: Mapping[str, Any], *, dtype: str, data_digest: str, semantics: int) -> str:
    """The key of the tile with normalised ``parameters``.

    A user's own activation enters by the content of its file and a user's own data set by its digest: where the files
    lie does not matter.

    Raises:
        InputError: the file of the user's own activation cannot be read.
    """
    from phasemap.train.cells import identity

    portable = {name: _portable(name, value) for name, value in identity(parameters).items()}
    document = {"parameters": portable, "dtype": dtype, "data": data_digest, "semantics": semantics}
    return hashlib.sha256(canonical(document).encode()).hexdigest()[:32]


def _portable(name: str, value: Any) -> Any:
    if name == "dataset" and value.endswith(".npz"):
        return "npz"
    if isinstance(value, str) and is_user_code(value):
        path, _, attribute = value.rpartition(":")
        try:
            return f"{hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()}:{attribute}"
        except OSError as error:
            raise InputError(f"{name}: {value!r}: cannot be read: {error.strerror}") from None
    return value
