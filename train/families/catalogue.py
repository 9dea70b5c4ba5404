"""The catalogue of families: a line each. The first is the default of the parameter ``architecture``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phasemap.theory.catalogue import Catalogue
from phasemap.train.families.family import Family

_LINES = {
    "bn-mlp": "phasemap.train.families.batchnorm_mlp:FAMILY",
    "resnet": "phasemap.train.families.residual:FAMILY",
    "vgg19-bn": "phasemap.train.families.vgg:FAMILY",
    "bn-resnet": "phasemap.train.families.batchnorm_residual:FAMILY",
    "mlp": "phasemap.train.families.plain_mlp:FAMILY",
}
FAMILIES: Catalogue[Family] = Catalogue("architecture", _LINES)
DEFAULT = next(iter(_LINES))


def family(name: str) -> Family:
    """The family called ``name``. Raises InputError if there is none."""
    return FAMILIES[name]


def family_of(parameters: Mapping[str, Any]) -> Family:
    """The family of a cell's or a tile's parameters, as written or normalised."""
    return FAMILIES[parameters.get("architecture", DEFAULT)]
