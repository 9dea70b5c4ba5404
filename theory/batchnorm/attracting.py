"""The fixed point where networks are, and the depth scale there: BSB1 where it attracts, else BSB2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phasemap.theory.batchnorm.gradient_explosion import DepthScale
from phasemap.theory.batchnorm.whole_batch.covariance import Layer
from phasemap.theory.batchnorm.whole_batch.settled_batches import BrokenSymmetry, broken_symmetry
from phasemap.theory.errors import InputError


def unstable(growth: float) -> str:
    """Why there is no prediction at BSB1, given the largest |λ↑|."""
    state = "the state this theory expands around (BSB1: all samples equally correlated)"
    return f"{state} is unstable here (growth {growth:.4g} a layer)"


@dataclass(frozen=True)
class Attracting:
    """Where the covariance of a batch goes.

    Attributes:
        stable: whether BSB1 attracts, all |λ↑| < 1; None if an eigenvalue is not known. governs: which of R·G, L, M
            has the largest |λ↑| there.
        fixed_point: ``BSB1`` or ``BSB2``; None where neither is known to attract. broken: what was found of BSB2.
        scale: rate and depth scale of the gradient there, or None for the ``reason``.
    """

    stable: bool | None
    governs: str | None
    fixed_point: str | None
    scale: DepthScale | None
    broken: BrokenSymmetry | None = None
    reason: str = ""


def attracting(
    forward: Mapping[str, float | None], rate: float | None, error: float, layer: Layer | None, batch_size: int
) -> Attracting:
    """From what is known at BSB1.

    Args:
        forward: λ↑ of G, L, M at BSB1. rate, error: λ_G↓ there, and its absolute error.
        layer: with which to look beyond BSB1 where it repels, which takes seconds; None to leave that out.
    """
    known = {key: abs(value) for key, value in forward.items() if value is not None}
    stable, governs = None, None
    if "L" in known:
        governs = max(known, key=lambda key: known[key])
        stable = known[governs] < 1
    if governs is None or known[governs] <= 1 + 1e-12:
        return Attracting(stable, governs, "BSB1", None if rate is None else DepthScale.of(rate, error))
    repels = unstable(known[governs])
    if layer is None:
        return Attracting(stable, governs, None, None, reason=repels)
    try:
        broken = broken_symmetry(layer, batch_size)
    except InputError as mistake:
        return Attracting(stable, governs, None, None, reason=f"{repels}; {mistake}")
    return Attracting(stable, governs, "BSB2", DepthScale.of(broken.rate, broken.error), broken)
