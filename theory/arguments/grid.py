"""Settings given as scalars or arrays: their product, one mapping for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from phasemap.theory.errors import InputError

MOST = 100_000
"""Settings in one table."""


def settings(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the values, the last argument changing fastest.

    Args:
        given: by name a scalar, or a list, tuple, array or series of scalars.

    Raises:
        InputError: an empty list, an array of more than one dimension, or more than ``MOST`` combinations.
    """
    values = {name: _listed(name, value) for name, value in given.items()}
    count = int(np.prod([float(len(one)) for one in values.values()]))
    if count > MOST:
        raise InputError(f"{count} settings: expected at most {MOST}")
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _listed(name: str, value: Any) -> list[Any]:
    if isinstance(value, str) or np.isscalar(value) or not hasattr(value, "__len__"):
        return [value]
    try:
        dimensions = np.ndim(value)
    except ValueError:  # lists of different lengths
        dimensions = 2
    if dimensions > 1:
        raise InputError(f"{name}: expected a scalar or a list; it has {dimensions} dimensions")
    found = value.tolist() if hasattr(value, "tolist") else list(value)
    found = found if isinstance(found, list) else [found]  # an array without dimensions
    if not found:
        raise InputError(f"{name}: expected at least one value")
    return found
