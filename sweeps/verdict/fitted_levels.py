"""The level of a quantity at which training fails, as a line on the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.map_theory import MapTheory
from phasemap.sweeps.verdict.divergence_level import DivergenceLevel


def fitted_fields(theory: MapTheory, levels: Sequence[DivergenceLevel]) -> tuple[Field, ...]:
    """The theory's ``failure_fields`` at the fitted levels of their quantities; none where nothing was fitted."""
    fitted = {one.name: one.level for one in levels}
    if not fitted:
        return ()
    return tuple(
        replace(
            field,
            label=f"{field.label} = C, fitted: {fitted[field.label]:.3g}",
            levels=(fitted[field.label],),
            fitted=True,
            note=field.note or f"C = {fitted[field.label]:.3g}",
        )
        for field in theory.failure_fields()
        if field.label in fitted
    )
