"""What other runs on the same folder do: how much of what is open here they have done, and how many are at it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.lease import Holder

LOOK = 2.0
"""Seconds from one look at the folder to the next."""


@dataclass
class Others:
    """The other runs, as their files show them.

    Attributes:
        done: cost of the tiles that they have finished, of those that are open here.
        holders: who holds a tile that is open here.
    """

    folder: Folder
    done: float = 0.0
    holders: dict[str, Holder] = field(default_factory=dict)
    looked: float = float("-inf")

    @property
    def due(self) -> bool:
        """Whether the last look was not a moment ago."""
        return time.monotonic() - self.looked >= LOOK

    def look(self, costs: Mapping[str, float]) -> None:
        """Looks at the folder. ``costs``: of the open tiles that this run is not at."""
        there = self.folder.there()
        self.done = sum(cost for key, cost in costs.items() if key in there)
        self.holders = {key: holder for key, holder in self.folder.running().items() if key in costs}
        self.looked = time.monotonic()

    def __str__(self) -> str:
        return ", ".join(sorted({str(holder) for holder in self.holders.values()}))
