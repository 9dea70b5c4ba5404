"""Parameters of the picture: they change no training."""

from __future__ import annotations

import re
from collections.abc import Mapping

from phasemap.theory.user_code import is_user_code
from phasemap.train.families.catalogue import FAMILIES
from phasemap.train.parameter_rows.row import Parameter, in_range, one_of

METRICS = ("test_accuracy", "test_accuracy_batch", "train_accuracy", "train_accuracy_batch", "test_loss", "train_loss")
NO_OVERLAY = "none"
HEAT_MAP = "map"
"""The value of ``picture`` that is no exhibit."""


def lines() -> list[str]:
    """The predicted lines that the theory of some family offers to draw."""
    return list(dict.fromkeys(name for family in FAMILIES.values() for name in family.lines))


def contours() -> list[str]:
    """The predicted quantities that the theory of some family offers to draw as contours."""
    return list(dict.fromkeys(name for family in FAMILIES.values() for name in family.contours))


def _is_overlay(value: str) -> bool:
    if value in (*lines(), NO_OVERLAY):
        return True
    return value.count("|") < 2 and all(name in contours() for name in value.split("|"))


def _overlays_in_words() -> str:
    return (
        f"{', '.join(lines())}, {NO_OVERLAY}, or one of {', '.join(contours())}, or two of them, such as chi_w|p: the "
        "first left of each depth's best network, the second right of it"
    )


PRESENTATION: Mapping[str, Parameter] = {
    "experiment": Parameter(str, "", "name of the experiment", identity=False),
    "picture": Parameter(
        str,
        HEAT_MAP,
        "what the report draws: the heat map, or an exhibit of what a monitor recorded",
        lambda value: re.fullmatch(r"[a-z][a-z0-9-]*", value) is not None or is_user_code(value),
        "map, an exhibit of the catalogue of figures, or path/to/file.py:name",
        identity=False,
    ),
    "x_axis": Parameter(
        str, "batch_size", "parameter along the map's horizontal axis", identity=False, other_names=("x",)
    ),
    "y_axis": Parameter(str, "depth", "parameter along the map's vertical axis", identity=False, other_names=("y",)),
    "x_scale": Parameter(str, "linear", "scale of the horizontal axis", **one_of("linear", "log"), identity=False),
    "y_scale": Parameter(str, "linear", "scale of the vertical axis", **one_of("linear", "log"), identity=False),
    "metric": Parameter(str, "test_accuracy", "what the heat map shows", **one_of(*METRICS), identity=False),
    "overlay": Parameter(
        str, "xi", "predicted quantity drawn on the map", _is_overlay, _overlays_in_words, identity=False
    ),
    "overlay_factor": Parameter(
        float,
        16.0,
        "the paper's multiple of the overlay's depth scale",
        **in_range("kappa"),
        identity=False,
        other_names=("kappa",),
    ),
}
