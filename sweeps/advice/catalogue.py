"""The catalogue of advisers: by the family that ``--arch`` names, a line each."""

from __future__ import annotations

from phasemap.sweeps.advice.adviser import Adviser
from phasemap.theory.catalogue import Catalogue

ADVISERS: Catalogue[Adviser] = Catalogue(
    "adviser",
    {
        "bn-mlp": "phasemap.sweeps.advice.batchnorm:ADVISER",
        "mlp": "phasemap.sweeps.advice.plain_networks.adviser:ADVISER",
        "resnet": "phasemap.sweeps.advice.residual:ADVISER",
    },
)
