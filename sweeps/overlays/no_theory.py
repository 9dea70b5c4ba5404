"""The theory of networks that have none: it says nothing, and why."""

from __future__ import annotations

from functools import cached_property

from phasemap.sweeps.overlays.map_theory import MapTheory
from phasemap.sweeps.overlays.prediction import Prediction, no_prediction


class NoTheory(MapTheory):
    """For an architecture without a line in the catalogue, and for a map that mixes several. Accuracy is taken to fall
    with depth, so that a frontier can be measured."""

    networks = "these networks"

    def inapplicable(self) -> str:
        """Always a reason."""
        return self.prediction.reasons[0]

    @cached_property
    def prediction(self) -> Prediction:
        """None, with the reason."""
        if "architecture" in self.phase_map.coords:
            return no_prediction(self.phase_map, "the map's networks are of several architectures")
        return super().prediction
