"""For which batch sizes BSB1, the state that the theory expands around, is stable."""

from __future__ import annotations

from typing import Any

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError

SIZES = (4, 8, 16, 32, 64, 128, 256, 512)


def where_stable(activation: Activation, **scales: Any) -> str:
    """One sentence: ``At ε = 0.001 it is stable for B ≤ 37``; the bound is exact, sizes beyond ``SIZES`` are not asked.

    Args:
        scales: ``eps``, ``sigma_w``, ``sigma_b``, as ``batchnorm_record`` has them.

    Raises:
        InputError: as ``batchnorm_record``, at none of the sizes is anything known.
    """

    def stable(size: int) -> bool | None:
        found: bool | None = batchnorm_record(activation, size, **scales)["stable"]
        return found

    known = {size: found for size in SIZES if (found := stable(size)) is not None}
    if not known:
        raise InputError(f"{activation.label}: whether BSB1 is stable is known at no batch size")
    at = f"At ε = {scales.get('eps', 0.0):g} it is stable for"
    good = [size for size in known if known[size]]
    if len(good) == len(known):
        return f"{at} every B from {min(known)} to {max(known)}"
    if not good:
        return f"{at} no B from {min(known)} to {max(known)}"
    if good == [size for size in known if size <= good[-1]]:
        return f"{at} B ≤ {_last(stable, good[-1], min(size for size in known if size > good[-1]))}"
    return f"{at} B = {', '.join(map(str, good))} of {', '.join(map(str, known))}"


def _last(stable: Any, low: int, high: int) -> int:
    """The last stable size between a stable and an unstable one."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if stable(middle) else (low, middle)
    return low
