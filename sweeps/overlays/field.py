"""A predicted quantity over a map, as numbers for contours. How it looks is the figures' matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Field:
    """A predicted quantity over the map, to be drawn as contours.

    Attributes:
        name: short, for ids.
        label: in words.
        x, y: coordinates of ``values``, NaN where no contour shall run.
        role: what the quantity is; the figures have a colour for those that they know.
        levels: where the contours run; None for round numbers over ``span``.
        span: the least and the greatest value that the map itself reaches.
        fitted: one level that was fitted to the map, a line of its own, rather than many levels.
        note: what is written on the contours in place of their values.
        optional: to be drawn only where a reader asks for it.
    """

    name: str
    label: str
    x: Float[np.ndarray, " x"]
    y: Float[np.ndarray, " y"]
    values: Float[np.ndarray, "y x"]
    role: str
    levels: tuple[float, ...] | None = None
    span: tuple[float, float] | None = None
    fitted: bool = False
    note: str = ""
    optional: bool = False
