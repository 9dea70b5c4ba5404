"""Rows of named numbers, one row a step, as a table: layers may come and go while a network trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def aligned(rows: Sequence[Sequence[tuple[str, float | None]]]) -> tuple[list[str], Float[np.ndarray, "rows names"]]:
    """(every name, in the order of the rows; the numbers, NaN where a row has none).

    A name that some rows do not have stands behind the one that it follows where it appears first. A name that a row
    has twice is two: ``a`` and ``a (2)``.
    """
    names: list[str] = []
    numbered: list[dict[str, float | None]] = []
    for row in rows:
        seen: Counter[str] = Counter()
        place, values = 0, {}
        for name, value in row:
            seen[name] += 1
            unique = name if seen[name] == 1 else f"{name} ({seen[name]})"
            values[unique] = value
            if unique not in names:
                names.insert(place, unique)
            place = names.index(unique) + 1
        numbered.append(values)
    table = [[values.get(name) for name in names] for values in numbered]
    return names, np.array(table, dtype=float).reshape(len(rows), len(names))
