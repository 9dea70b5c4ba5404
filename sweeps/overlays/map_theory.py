"""What a theory is to a map: everything that verdicts, figures, comparisons, advice and reports ask of it.

A theory is one class in one file and a line of the catalogue; no other file names it. An instance belongs to one map.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
import xarray as xr
from jaxtyping import Float

from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.prediction import Prediction, no_prediction

Grid = Float[np.ndarray, "depths columns"]


class MapTheory(ABC):
    """The theory of one family of networks, on the axes of one map.

    Attributes:
        networks: what its networks are called, in the plural.
        says: what ξ is, for a reader who has not read the papers.
        paper: whose theory it is; the sentences of that paper are checked on its maps. "" if none are.
        has_frontier: whether accuracy must fall with depth by this theory, so that each column of a map has a frontier
            that can be measured and compared with a predicted line. Where it must not, a map is judged by which of the
            ``quantities`` predicts its accuracy, and at which level of them training fails.
        lines, contours: the values of the parameter ``overlay`` that it offers: predicted lines, and quantities.
        glossary: its own words and what they mean, for the report.
        variables: names that files can hold for its ``quantities``; a quantity without one is called by its label's
            letters.
    """

    networks: ClassVar[str]
    says: ClassVar[str] = (
        "how fast gradients change from layer to layer on their way back: over ξ layers the squared gradient changes by"
        " a factor e"
    )
    paper: ClassVar[str] = ""
    has_frontier: ClassVar[bool] = True
    lines: ClassVar[tuple[str, ...]] = ()
    contours: ClassVar[tuple[str, ...]] = ()
    glossary: ClassVar[Mapping[str, str]] = {}
    variables: ClassVar[Mapping[str, str]] = {}

    def __init__(self, phase_map: xr.Dataset) -> None:
        self.phase_map = phase_map

    def __repr__(self) -> str:
        return f"{type(self).__name__}(of {self.networks})"

    @abstractmethod
    def inapplicable(self) -> str:
        """Why the theory says nothing of this map, or ""."""

    @cached_property
    def prediction(self) -> Prediction:
        """The predicted line: ξ of each column; a column without one is NaN with the reason."""
        return no_prediction(
            self.phase_map, f"there is no depth scale for architecture {self.phase_map.attrs.get('architecture')!r}"
        )

    @cached_property
    def quantities(self) -> dict[str, Grid]:
        """Predicted numbers at the map's own networks by name, of which one may decide the accuracy; none where the
        theory says nothing."""
        return {}

    @cached_property
    def scales(self) -> dict[str, Float[np.ndarray, " columns"]]:
        """Depth scales of each column by name, of which one may decide how deep networks train: that of ``prediction``
        first, then its rivals; NaN in a column without one. None where ``prediction`` has no rivals."""
        return {}

    @cached_property
    def failure_quantities(self) -> dict[str, Grid]:
        """Predicted numbers by name, above a level of which training may fail: networks diverge."""
        return {}

    def fields(self, metric: str = "test_accuracy") -> tuple[Field, ...]:
        """Predicted quantities as contours, as the map's ``overlay`` asks; ``metric`` where they depend on what was
        measured. None where the theory says nothing, and on an axis that has none."""
        return ()

    def failure_fields(self) -> tuple[Field, ...]:
        """Those of ``failure_quantities`` of which the fitted level is drawn as a line, labelled by their names."""
        return ()
