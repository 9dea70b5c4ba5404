"""One sentence of a paper beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One sentence of a paper against a map, or against other results.

    Attributes:
        cited: paper and figure. sentence: what it says. measured: what the results say.
        holds: ``yes``, ``no``, or ``open`` where the results cannot tell.
    """

    cited: str
    sentence: str
    measured: str
    holds: str
