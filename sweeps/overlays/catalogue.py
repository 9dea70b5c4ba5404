"""The catalogue of theories: for each architecture the class that lays its theory over a map, a line each."""

from __future__ import annotations

import xarray as xr

from phasemap.sweeps.overlays.map_theory import MapTheory
from phasemap.sweeps.overlays.no_theory import NoTheory
from phasemap.theory.catalogue import Catalogue
from phasemap.train.families.catalogue import DEFAULT

THEORIES: Catalogue[type[MapTheory]] = Catalogue(
    "theory",
    {
        "bn-mlp": "phasemap.sweeps.overlays.batchnorm:BatchNormTheory",
        "resnet": "phasemap.sweeps.overlays.residual:ResidualTheory",
        "mlp": "phasemap.sweeps.overlays.mlp:MLPTheory",
        "bn-resnet": "phasemap.sweeps.overlays.batchnorm_residual:BatchNormResidualTheory",
    },
)
"""By the parameter ``architecture``. ``THEORIES.register(name, CLASS)`` adds one of your own."""


def theory_of(phase_map: xr.Dataset) -> MapTheory:
    """The theory of the map's networks, on that map."""
    mixed = "architecture" in phase_map.coords
    name = phase_map.attrs.get("architecture", DEFAULT)
    return NoTheory(phase_map) if mixed or name not in THEORIES else THEORIES[name](phase_map)
