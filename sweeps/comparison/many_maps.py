"""Several maps at once: are their frontiers the same? Correlations and ratios of κ, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import xarray as xr

from phasemap.sweeps.comparison.two_maps import Comparison, compare
from phasemap.sweeps.verdict.depth_scale import Agreement, assess
from phasemap.theory.plural import counted


@dataclass(frozen=True)
class Joint:
    """Maps by name: the agreement of each with the theory, and each pair's comparison (the first as A)."""

    agreements: Mapping[str, Agreement]
    pairs: Mapping[tuple[str, str], Comparison]

    @property
    def sentence(self) -> str:
        """What all pairs say together."""
        shifts = {names: found.shift for names, found in self.pairs.items() if found.shift is not None}
        if not shifts:
            return "No two maps have frontiers in common columns."
        rs = [found.pearson[0] for found in self.pairs.values() if found.pearson is not None]
        sentences = [f"The frontiers' logarithms correlate by r = {min(rs):.2f} to {max(rs):.2f}."] if rs else []
        far, widest = max(shifts.items(), key=lambda one: max(one[1].value, 1 / one[1].value))
        factor = max(widest.value, 1 / widest.value)
        sentences.append(f"The two farthest apart are {far[0]} and {far[1]}, by a factor of {factor:.2f}.")
        apart = [f"{one} and {other}" for (one, other), shift in shifts.items() if shift.significant]
        if apart:
            of = counted(len(shifts), "pair")
            sentences.append(f"Beyond chance differ {', '.join(apart)} ({len(apart)} of {of}).")
        else:
            sentences.append("No pair differs beyond chance.")
        return " ".join(sentences)


def joint(maps: Mapping[str, xr.Dataset], metric: str = "test_accuracy") -> Joint:
    """Every map and every pair of them.

    Raises:
        InputError: two of the maps have different axes or nothing in common; the metric is no accuracy.
    """
    return Joint(
        {name: assess(one, metric) for name, one in maps.items()},
        {(a, b): compare(maps[a], maps[b], metric) for a, b in combinations(maps, 2)},
    )
